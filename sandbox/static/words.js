// Every sentence of the page, in each of its languages.

const en = {
  title: "Sandbox", mark: "not WhatsApp", language: "Русский", otherLanguage: "RU", phones: "Phones", offline: "No connection to the sandbox",
  newPhone: "New phone", number: "Phone number", name: "Name", create: "Create", numberHint: "+55 11 99999-0001",
  noPhones: "No phones yet", noPhonesHelp: "Create two: one for your business and one for a customer who writes to it.",
  choose: "Choose a phone", chooseHelp: "Link a device to it, or write from it to any other phone here.",
  devices: "Linked devices", noDevices: "No linked devices", device: "Device", online: "online", away: "away", unlink: "Unlink",
  unlinkSure: "Unlink this device? It will be logged out.", linked: "Linked as device", link: "Link a device",
  scan: "Scan a QR", scanHelp: "Paste the QR’s text or a picture of it, or drop an image here.", scanText: "Text of the QR",
  scanGo: "Scan", upload: "Choose an image", code: "Type a pairing code", codeHelp: "The 8 characters that the device shows.",
  codeGo: "Link", wantsCode: "A device asks for a code for this number", conversations: "Conversations", to: "To",
  toHint: "Number or group", startChat: "New conversation", start: "Start", write: "Message", attach: "Send a picture", send: "Send",
  markRead: "Mark as read", noChats: "No conversations yet",
  noChatsHelp: "Write to any number on this page, or wait for somebody to write.", noMessages: "Nothing written yet",
  back: "‹ Phones", you: "You", sent: "sent", delivered: "delivered", read: "read", played: "played", types: "is typing…", react: "React", group: "Group",
  kinds: { image: "Picture", video: "Video", audio: "Audio", document: "Document", sticker: "Sticker", contact: "Contact",
    location: "Location", reaction: "Reaction", poll: "Poll", revoke: "Deleted message", edit: "Edited message", other: "Message" },
  errors: { unknown_number: "Nobody here has this number: create a phone for it first.", qr_expired: "This QR is no longer valid. Ask for a new one.",
    not_a_qr: "This is not a QR that WhatsApp shows for linking.", wrong_code: "The device shows another code.",
    no_code_wanted: "No device has asked for a code for this number.", phone_exists: "This number exists under another name.",
    not_confirmed: "The device has not confirmed so far.", pairing_refused: "The device refused to be linked.",
    network: "The sandbox does not answer.", too_large: "This is too large." },
};

const ru = {
  title: "Песочница", mark: "не WhatsApp", language: "English", otherLanguage: "EN", phones: "Телефоны", offline: "Нет связи с песочницей",
  newPhone: "Новый телефон", number: "Номер телефона", name: "Имя", create: "Создать", numberHint: "+7 999 000-00-01",
  noPhones: "Телефонов пока нет", noPhonesHelp: "Создайте два: один для вашей компании, другой для клиента, который ей пишет.",
  choose: "Выберите телефон", chooseHelp: "Привяжите к нему устройство или напишите с него на любой другой телефон.",
  devices: "Связанные устройства", noDevices: "Нет связанных устройств", device: "Устройство", online: "в сети", away: "не в сети", unlink: "Отвязать",
  unlinkSure: "Отвязать это устройство? Оно выйдет из аккаунта.", linked: "Привязано как устройство", link: "Привязать устройство",
  scan: "Отсканировать QR", scanHelp: "Вставьте текст QR или его картинку, либо перетащите сюда изображение.", scanText: "Текст QR",
  scanGo: "Сканировать", upload: "Выбрать изображение", code: "Ввести код привязки", codeHelp: "8 символов, которые показывает устройство.",
  codeGo: "Привязать", wantsCode: "Устройство просит код для этого номера", conversations: "Переписка", to: "Кому",
  toHint: "Номер или группа", startChat: "Новый чат", start: "Начать", write: "Сообщение", attach: "Отправить картинку", send: "Отправить",
  markRead: "Прочитано", noChats: "Переписки пока нет",
  noChatsHelp: "Напишите на любой номер с этой страницы или подождите, пока напишут вам.", noMessages: "Сообщений пока нет",
  back: "‹ Телефоны", you: "Вы", sent: "отправлено", delivered: "доставлено", read: "прочитано", played: "прослушано", types: "печатает…", react: "Поставить реакцию", group: "Группа",
  kinds: { image: "Картинка", video: "Видео", audio: "Аудио", document: "Документ", sticker: "Стикер", contact: "Контакт",
    location: "Место", reaction: "Реакция", poll: "Опрос", revoke: "Удалённое сообщение", edit: "Изменённое сообщение", other: "Сообщение" },
  errors: { unknown_number: "Такого номера здесь нет: сначала создайте для него телефон.", qr_expired: "Этот QR больше не действует. Запросите новый.",
    not_a_qr: "Это не тот QR, который WhatsApp показывает для привязки.", wrong_code: "Устройство показывает другой код.",
    no_code_wanted: "Ни одно устройство не просило код для этого номера.", phone_exists: "Этот номер уже есть под другим именем.",
    not_confirmed: "Устройство пока не подтвердило привязку.", pairing_refused: "Устройство отказалось от привязки.",
    network: "Песочница не отвечает.", too_large: "Слишком большой файл." },
};

const remembered = localStorage.getItem("language");
const wanted = remembered || (navigator.language || "en").slice(0, 2);
export let language = wanted === "ru" ? "ru" : "en";
export let words = language === "ru" ? ru : en;

export function switchLanguage() {
  language = language === "ru" ? "en" : "ru";
  words = language === "ru" ? ru : en;
  localStorage.setItem("language", language);
}
