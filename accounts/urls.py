"""People and companies over REST: the older system's paths (seed contract 1.3-1.5)."""

from django.urls import path

from accounts.api import audit, company, keys, login, managers, registration

urlpatterns = [
    path("auth/login", login.LoginView.as_view()),
    path("auth/register", registration.RegisterView.as_view()),
    path("auth/send-code", registration.SendCodeView.as_view()),
    path("auth/verify-email", registration.VerifyEmailView.as_view()),
    path("auth/reset-password", registration.ResetPasswordView.as_view()),
    path("auth/me", login.MeView.as_view()),
    path("auth/profile", login.ProfileView.as_view()),
    path("auth/change-password", login.ChangePasswordView.as_view()),
    path("company/info", company.CompanyInfoView.as_view()),
    path("company/settings", company.CompanySettingsView.as_view()),
    path("company/usage", company.CompanyUsageView.as_view()),
    path("company/limits", company.CompanyLimitsView.as_view()),
    path("company/users", company.CompanyUsersView.as_view()),
    path("company/api-keys", keys.KeysView.as_view()),
    path("company/api-keys/<str:key_id>", keys.KeyView.as_view()),
    path("audit", audit.AuditView.as_view()),
    path("managers", managers.ManagersView.as_view()),
    path("managers/", managers.ManagersAliasView.as_view()),
    path("managers/<str:manager_id>", managers.ManagerView.as_view()),
]
