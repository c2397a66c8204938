/** The secret behind the # of an invitation: handed over once, and out of the address before anything else. */

const form = document.querySelector("[data-door]");
const secret = decodeURIComponent(location.hash.slice(1));
history.replaceState(null, "", location.pathname);
document.getElementById("door-field").hidden = true;
if (secret) {
  document.getElementById("secret").value = secret;
} else {
  document.getElementById("door-broken").hidden = false;
  form.hidden = true;
}
