// What pages do beyond what HTML does by itself. Everything here is a comfort: without this file one reads every page, turns
// the kill switch and posts every form. Nothing is evaluated and no style is written into the page.
"use strict";

(() => {
  const $ = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];

  // ---------- theme ----------

  // setTheme shows a theme at once and has the server remember it, which renders the next page in it.
  function setTheme(theme) {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    for (const button of all('button[name="theme"]')) button.setAttribute("aria-pressed", String(button.value === theme));
    fetch("/dashboard/theme", { method: "POST", body: new URLSearchParams({ theme }), redirect: "manual" });
  }

  function switchTheme() {
    const now = document.documentElement.dataset.theme;
    const dark = now ? now === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    setTheme(dark ? "light" : "dark");
  }

  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (button?.name !== "theme") return;
    event.preventDefault();
    setTheme(button.value);
    if (event.target.matches("[popover]")) event.target.hidePopover();
  });

  // ---------- dialogs ----------

  // Browsers that know no command attribute.
  const knowsCommands = "commandForElement" in HTMLButtonElement.prototype;

  function open(dialog) {
    if (!dialog || dialog.open) return;
    dialog.showModal();
    if (dialog.id === "palette") openPalette();
  }

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener && !event.metaKey && !event.ctrlKey) {
      event.preventDefault();
      open(document.getElementById(opener.dataset.opens));
      return;
    }
    const button = event.target.closest("button[commandfor]");
    if (button && !knowsCommands) {
      const dialog = document.getElementById(button.getAttribute("commandfor"));
      if (button.getAttribute("command") === "show-modal") open(dialog);
      else dialog?.close();
    }
    const close = event.target.closest("dialog [data-close]");
    if (close) {
      event.preventDefault();
      close.closest("dialog").close();
    }
    // A click beside a dialog closes it: there, and only there, the dialog itself is the target.
    if (event.target instanceof HTMLDialogElement && event.target.open) {
      const box = event.target.getBoundingClientRect();
      if (event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom) event.target.close();
    }
    // A button that cannot be used says why in its title.
    if (event.target.closest('button[aria-disabled="true"]')) event.preventDefault();
    event.target.closest("[data-dismiss]")?.closest(".toast").remove();
  });

  // ---------- palette ----------

  const palette = $("#palette");
  const options = () => all('[role="option"]', palette);

  function openPalette() {
    const input = $("#pal-q");
    input.value = "";
    input.focus();
    htmx.trigger(input, "cdx:open");
  }

  function select(option) {
    for (const other of options()) other.setAttribute("aria-selected", String(other === option));
    $("#pal-q").setAttribute("aria-activedescendant", option?.id ?? "");
    option?.scrollIntoView({ block: "nearest" });
  }

  palette?.addEventListener("keydown", (event) => {
    const list = options();
    const at = list.findIndex((option) => option.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.length) select(list[(at + (event.key === "ArrowDown" ? 1 : -1) + list.length) % list.length]);
    } else if (event.key === "Enter" && list[at]) {
      event.preventDefault();
      if (event.metaKey || event.ctrlKey) window.open(list[at].href, "_blank", "noopener");
      else location.assign(list[at].href);
    }
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id === "pal-q-l") select(options()[0]);
  });

  // ---------- keys ----------

  let chord = 0; // when g was pressed

  const typing = (element) => element.closest("input, textarea, select, [contenteditable]");
  const rows = () => all("tbody tr:not([hidden])");

  // step moves the focus to the next or previous row of the page's table.
  function step(by) {
    const list = rows().filter((row) => $("a, button", row));
    if (!list.length) return;
    const at = list.indexOf(document.activeElement.closest("tr"));
    const row = list[Math.min(list.length - 1, Math.max(0, at + by))];
    $("a, button:not([disabled])", row).focus();
  }

  document.addEventListener("keydown", (event) => {
    if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k" && palette) {
      event.preventDefault();
      open(palette);
      return;
    }
    if (event.metaKey || event.ctrlKey || event.altKey || typing(event.target) || $("dialog[open]")) return;
    if (Date.now() - chord < 1500) {
      chord = 0;
      const entry = $(`.nav-a[data-key="${CSS.escape(event.key)}"]`);
      if (entry) {
        event.preventDefault();
        location.assign(entry.href);
      }
      return;
    }
    const act = {
      "g": () => { chord = Date.now(); },
      "?": () => open($("#help")),
      "/": () => ($("[data-search]") ? $("[data-search]").focus() : open(palette)),
      "t": switchTheme,
      "j": () => step(1),
      "k": () => step(-1),
      "x": () => document.activeElement.closest("tr")?.querySelector('input[type="checkbox"]')?.click(),
    }[event.key];
    const own = $(`[data-hotkey="${CSS.escape(event.key)}"]`);
    if (!act && !own) return;
    event.preventDefault();
    if (own && !act) own.click();
    else act();
  });

  // ---------- confirmations ----------

  // The button of a typed confirmation waits for the text. The server checks it in any case.
  function watchConfirmation(input) {
    const button = $("button.btn-dp, button.btn-p", input.form);
    const check = () => { button.disabled = input.value.trim() !== input.dataset.confirm; };
    if (!button || button.disabled) return;
    input.addEventListener("input", check);
    check();
  }

  // ---------- sliders ----------

  // A slider says beside it where it stands, and a day's share of the week follows the limit.
  document.addEventListener("input", (event) => {
    const range = event.target;
    if (!range.matches('input[type="range"][data-unit]')) return;
    const n = Number(range.value);
    const { zero, one, unit } = range.dataset;
    const text = n === 0 && zero ? zero : `${n}${n === 1 && one ? one : unit}`;
    $(`output[for="${CSS.escape(range.id)}"]`).textContent = text;
    range.setAttribute("aria-valuetext", text);
    for (const share of all("[data-share]", range.form)) share.textContent = `${(n * Number(share.dataset.share) / 100).toFixed(1)}\u202f%`;
  });

  // ---------- toasts ----------

  const toasts = $("#toasts");

  // age has a toast go after a while, unless somebody is at it. What went wrong stays.
  function age(toast) {
    if (toast.classList.contains("toast-bad")) return;
    const timer = setInterval(() => {
      if (toast.matches(":hover, :focus-within")) return;
      clearInterval(timer);
      toast.remove();
    }, 6000);
  }

  if (toasts) {
    all(".toast", toasts).forEach(age);
    new MutationObserver((changes) => {
      for (const change of changes) for (const node of change.addedNodes) if (node.nodeType === 1) age(node);
    }).observe(toasts, { childList: true });
  }

  // What the server refuses to a script comes as a toast that is ready.
  document.addEventListener("htmx:responseError", (event) => {
    const text = event.detail.xhr.responseText;
    if (text.startsWith('<div class="toast')) toasts?.insertAdjacentHTML("beforeend", text); // and not what a proxy says
  });

  // ---------- copying ----------

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    const label = button.lastChild;
    const before = label.textContent;
    label.textContent = "Copied";
    setTimeout(() => { label.textContent = before; }, 1500);
  });

  // ---------- uploading a login ----------

  // judge says what is in an auth.json without showing any of it, or what is wrong with it. The gateway judges in any case.
  function judge(content, most) {
    if (new Blob([content]).size > most - 2048) return { wrong: "This is too long for a login." };
    let auth;
    try {
      auth = JSON.parse(content);
    } catch {
      return { wrong: "This is not JSON. Take auth.json as Codex wrote it, whole." };
    }
    if (typeof auth !== "object" || auth === null || Array.isArray(auth)) return { wrong: "This is JSON, but no auth.json." };
    if (!auth.tokens?.access_token && !auth.OPENAI_API_KEY && !auth.auths) return { wrong: "There is no token in it. Is Codex logged in there?" };
    const at = new Date(auth.last_refresh);
    if (!auth.last_refresh || Number.isNaN(at.getTime())) return { wrong: "It has no last_refresh, which every auth.json has." };
    const token = auth.tokens?.refresh_token ? "with a refresh token" : "without a refresh token: it ends with its access token";
    return { text: `A login refreshed ${at.toISOString().slice(0, 16).replace("T", " ")} UTC, ${token}.` };
  }

  // watchLogin looks at what a form is about to upload, and has a file dropped on it.
  function watchLogin(form) {
    const file = $('input[type="file"]', form);
    const text = $("textarea", form);
    const said = $("[data-login-said]", form);
    const drop = $(".drop", form);
    const button = $("button.btn-p", form);
    if (button.disabled) return;
    const hint = said.textContent;

    function tell(content, name) {
      const found = content.trim() ? judge(content, Number(form.dataset.login)) : { text: hint };
      said.textContent = name && content.trim() ? `${name}: ${found.wrong ?? found.text}` : found.wrong ?? found.text;
      said.className = found.wrong ? "t-bad" : content.trim() ? "t-ok" : "faint";
      text.setAttribute("aria-invalid", String(Boolean(found.wrong) && !name));
      button.disabled = Boolean(found.wrong);
    }

    file.addEventListener("change", async () => {
      text.value = "";
      tell(file.files.length ? await file.files[0].text() : "", file.files[0]?.name);
    });
    text.addEventListener("input", () => {
      file.value = "";
      tell(text.value);
    });
    for (const name of ["dragover", "dragleave", "drop"]) {
      drop.addEventListener(name, (event) => {
        event.preventDefault();
        drop.classList.toggle("drop-over", name === "dragover");
      });
    }
    drop.addEventListener("drop", (event) => {
      if (!event.dataTransfer.files.length) return;
      const one = new DataTransfer();
      one.items.add(event.dataTransfer.files[0]);
      file.files = one.files;
      file.dispatchEvent(new Event("change"));
    });
    form.addEventListener("submit", () => { button.setAttribute("aria-busy", "true"); });
  }

  // ---------- times ----------

  function length(seconds) {
    if (seconds < 45) return `${Math.floor(seconds)} s`;
    if (seconds < 45 * 60) return `${Math.max(1, Math.round(seconds / 60))} min`;
    if (seconds < 36 * 3600) return `${Math.max(1, Math.round(seconds / 3600))} h`;
    return `${Math.round(seconds / 86400)} d`;
  }

  // relative says what templates.Relative says.
  function relative(at) {
    const seconds = (Date.now() - at) / 1000;
    const far = Math.abs(seconds);
    if (far < 45) return seconds >= 0 ? "just now" : "in a moment";
    if (far >= 14 * 86400) return null;
    return seconds >= 0 ? `${length(far)} ago` : `in ${length(far)}`;
  }

  // countdown is what is left of a window: 7:42, or 3 h.
  function countdown(at) {
    const left = Math.max(0, Math.round((at - Date.now()) / 1000));
    return left < 3600 ? `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}` : length(left);
  }

  // untilReset says what internal/dashboard's untilReset says: 6 min, 1 h 48 min, 1 d 3 h, 3 d, Thursday.
  function untilReset(at) {
    const left = Math.max(0, Math.floor((at - Date.now()) / 1000));
    const minutes = Math.floor(left / 60), hours = Math.floor(left / 3600), days = Math.floor(left / 86400);
    const two = (n, unit, rest, restUnit) => (rest > 0 ? `${n} ${unit} ${rest} ${restUnit}` : `${n} ${unit}`);
    if (days >= 2) return `${days} d, ${new Date(at).toLocaleDateString("en", { weekday: "long", timeZone: "UTC" })}`;
    if (days === 1) return two(days, "d", hours % 24, "h");
    if (hours > 0) return two(hours, "h", minutes % 60, "min");
    return minutes > 0 ? `${minutes} min` : `${left} s`;
  }

  setInterval(() => {
    for (const time of all("time[data-reset]")) {
      const at = Date.parse(time.dateTime), text = untilReset(at);
      if (text !== time.textContent) time.textContent = text;
      if (at <= Date.now() && !time.dataset.over) { // what was used since is not known, and the page must say so
        time.dataset.over = "yes";
        changed("quota");
      }
    }
    for (const time of all("time[data-ago]")) {
      const text = relative(Date.parse(time.dateTime));
      if (text !== null && text !== time.textContent) time.textContent = text;
    }
    for (const time of all("time[data-left]")) {
      const until = Date.parse(time.dateTime);
      time.textContent = countdown(until);
      if (until <= Date.now() && !time.dataset.over) { // nothing in the database changes then, and the page must
        time.dataset.over = "yes";
        changed("hosts");
      }
    }
  }, 1000);

  // ---------- live ----------

  const badge = $("#live");
  const waiting = new Map(); // topic → timer
  let stream, heard = 0, lost = 0, retry = 2000;

  function show(state, text) {
    const kind = `live${state ? ` live-${state}` : ""}`;
    if (badge.className !== kind) badge.className = kind;
    if (badge.textContent !== text) badge.textContent = text;
  }

  // changed tells the parts of the page that show a topic to ask for themselves again, at most every two seconds: a busy
  // fleet changes all the time.
  function changed(topic) {
    if (waiting.has(topic)) return;
    waiting.set(topic, setTimeout(() => {
      waiting.delete(topic);
      htmx.trigger(document.body, `cdx:${topic}`);
    }, 300 + Math.random() * 1700));
  }

  function listen() {
    stream = new EventSource(badge.dataset.events);
    const hear = () => {
      heard = Date.now();
      lost = 0;
      retry = 2000;
      show("", "Live");
    };
    stream.addEventListener("open", hear);
    for (const name of ["hello", "beat"]) stream.addEventListener(name, hear);
    for (const topic of ["audit", "hosts", "usage", "policy", "credential", "library", "quota"]) {
      stream.addEventListener(topic, () => { hear(); changed(topic); });
    }
    stream.addEventListener("error", () => {
      lost ||= Date.now();
      // A stream that ends is asked for again by the browser; one that is refused is not.
      if (stream.readyState === EventSource.CLOSED) {
        setTimeout(listen, retry);
        retry = Math.min(60000, retry * 2);
      }
    });
  }

  if (badge) {
    listen();
    setInterval(() => {
      if (heard && Date.now() - heard > 25000) lost ||= Date.now();
      if (!lost) return;
      if (Date.now() - lost < 20000) show("wait", "Reconnecting");
      else show("stale", `Stale since ${new Date(heard || lost).toISOString().slice(11, 16)} UTC`);
    }, 1000);
  }

  // ---------- hosts ----------

  const ticks = () => all('input[form="hosts-do"]');

  // tally says how many hosts are chosen, and whether that are all.
  function tally() {
    const text = $("[data-chosen]");
    if (!text) return;
    const chosen = ticks().filter((tick) => tick.checked).length;
    text.textContent = `${chosen} chosen`;
    const whole = $("[data-check-all]");
    if (!whole) return;
    whole.checked = chosen > 0 && chosen === ticks().length;
    whole.indeterminate = chosen > 0 && !whole.checked;
  }

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-check-all]")) for (const tick of ticks()) tick.checked = event.target.checked;
    tally();
  });
  document.addEventListener("reset", () => setTimeout(tally));
  document.addEventListener("htmx:afterSettle", (event) => {
    tally();
    open($("dialog[data-open]:not([open])", event.target));
  });
  tally();

  // The slider of a window: its data-scale says how many minutes each position stands for.
  document.addEventListener("input", (event) => {
    const scale = event.target.dataset.scale;
    if (!scale) return;
    const minutes = Number(scale.split(" ")[event.target.value]);
    const hours = Math.floor(minutes / 60);
    const text = minutes < 60 ? `${minutes} min` : minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
    event.target.setAttribute("aria-valuetext", text);
    $("[data-minutes]", event.target.form).textContent = text;
  });

  // ---------- page of a host ----------

  // A range of 0 to 1000 that stands beside a number: short lengths have more room than long ones.
  function watchLength(range) {
    const number = document.getElementById(range.dataset.log);
    range.addEventListener("input", () => { number.value = Math.max(1, Math.round(number.max * Math.expm1(range.value / 250) / Math.expm1(4))); });
    number.addEventListener("input", () => { range.value = Math.round(250 * Math.log1p(Math.expm1(4) * number.value / number.max)); });
  }

  all("[data-log]").forEach(watchLength);
  document.addEventListener("htmx:load", (event) => all("[data-log]", event.target).forEach(watchLength));

  // ---------- audit ----------

  // What somebody has unfolded stays so when a list is replaced by a newer one.
  let unfolded = [];
  document.addEventListener("htmx:beforeSwap", (event) => {
    unfolded = all("details[open][id]", event.detail.target).map((fold) => fold.id);
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const id of unfolded) {
      const fold = document.getElementById(id);
      if (fold) fold.open = true;
    }
    unfolded = [];
  });

  all("[data-confirm]").forEach(watchConfirmation);
  document.addEventListener("htmx:load", (event) => all("[data-confirm]", event.target).forEach(watchConfirmation));
  document.addEventListener("htmx:load", (event) => all("form[data-login]", event.target).forEach(watchLogin));
})();
