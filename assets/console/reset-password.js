// Sets another password with the token of a mailed link. The token stands behind the # of the address, which browsers send to nobody, and
// leaves the address bar, and so the history, as soon as it is read.
"use strict";

const TEXTS = {
  en: {
    title: "Set a new password",
    intro: "It must have 8 characters or more, and may have to hold more kinds of them. Several words in a row are a good one.",
    first: "New password",
    second: "New password again",
    show: "Show the passwords",
    send: "Set the password",
    missing: "Open this page with the whole link from the mail. If you have reloaded it, open the link again.",
    different: "The two passwords are not the same.",
    done: "Your password is set, and all of your sessions have ended. Log in with the new one; a second factor is asked for as before.",
    away: "The service did not answer as it should. Try again later; the link may still work.",
  },
  "zh-CN": {
    title: "设置新密码",
    intro: "密码至少 8 个字符，策略可能要求包含更多种类的字符。由多个单词组成的密码是不错的选择。",
    first: "新密码",
    second: "再次输入新密码",
    show: "显示密码",
    send: "设置密码",
    missing: "请使用邮件中的完整链接打开此页面。如果您刷新了页面，请重新打开链接。",
    different: "两次输入的密码不一致。",
    done: "密码已设置，您的所有会话已结束。请使用新密码登录；第二因素的要求不变。",
    away: "服务未能正常响应。请稍后重试；链接可能仍然有效。",
  },
};
const MUTATION = "mutation($data: PasswordResetInput!) { resetPassword(data: $data) }";

const language = /^zh\b/i.test(navigator.language) ? "zh-CN" : "en";
const texts = TEXTS[language];
const element = (id) => document.getElementById(id);
const [form, first, second, told] = ["form", "first", "second", "told"].map(element);
let token = null;

function tell(text, kind) {
  told.textContent = text;
  told.className = kind;
}

function begin() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (location.hash) {
    history.replaceState(null, "", location.pathname + location.search);
  }
  // Another link in the same tab replaces the one before; an address without one changes nothing.
  if (given || !token) {
    token = given;
    form.hidden = !token;
    tell(token ? "" : texts.missing, "wrong");
  }
}

async function answer(variables) {
  const response = await fetch("api/", {
    method: "POST",
    headers: { "content-type": "application/json", "content-language": language === "en" ? "en-US" : language },
    body: JSON.stringify({ query: MUTATION, variables }),
    cache: "no-store",
    credentials: "omit",
    redirect: "error",
  });
  const { data, errors } = await response.json();
  if (data?.resetPassword === true) {
    return null;
  }
  return errors[0].message;
}

async function send(event) {
  event.preventDefault();
  if (first.value !== second.value) {
    tell(texts.different, "wrong");
    second.focus();
    return;
  }
  tell("", "");
  element("send").disabled = true;
  try {
    const wrong = await answer({ data: { token, new_password: first.value } });
    if (wrong === null) {
      token = null;
      form.reset();
      form.hidden = true;
      tell(texts.done, "done");
    } else {
      tell(wrong, "wrong");
    }
  } catch {
    tell(texts.away, "wrong");
  } finally {
    element("send").disabled = false;
  }
}

document.documentElement.lang = language;
document.title = `${texts.title} · keytower`;
for (const place of document.querySelectorAll("[data-text]")) {
  place.textContent = texts[place.dataset.text];
}
element("show").addEventListener("change", (event) => {
  first.type = second.type = event.target.checked ? "text" : "password";
});
form.addEventListener("submit", send);
window.addEventListener("hashchange", begin);
begin();
