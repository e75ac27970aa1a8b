/* Makes pages that work without it live: refreshes, keys, ticks, toasts, copies. Hooks are data attributes. */
"use strict";
(() => {
  const POLL_MS = 2000;
  const TOAST_MS = 8000;
  const WAITING_MS = 400;
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const ready = (run) => (document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", run) : run());

  // What needs a script shows from here on; the class stands where no refresh comes.
  document.documentElement.classList.add("js");

  ready(() => {
    const poller = $("#poller");
    rememberZone();
    leavePostedPage();
    const poll = poller ? startPolling(poller) : { now() {}, begin() {}, end() {} };
    startActions(poll);
    startAway();
    startTicks();
    startToasts();
    startCopies();
    startRows();
    startKeys();
    startMenus();
    $(".tab[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  });

  /* A page that a form has made cannot be asked for again: whoever comes back to it gets the form, and no error of the
     browser. What was typed is not kept, as secrets may be in it. */
  function leavePostedPage() {
    const form = $("[data-instead]");
    if (form) history.replaceState(history.state, "", form.dataset.instead);
  }

  /* The server writes times in this zone from the next page on. */
  function rememberZone() {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
    const path = document.body.dataset.prefix || "/";
    document.cookie = `taskyard_zone=${zone}; path=${path}; max-age=31536000; samesite=lax`;
  }

  /* One poller a page. Hidden tabs rest and catch up at once; what an action made old is never shown. */
  function startPolling(poller) {
    const live = $("#live-switch");
    const band = $("#band-console");
    let isLive = sessionStorage.getItem("taskyard-live") !== "off";
    let tag = "";
    let generation = 0;
    let acting = 0;
    let lastAnswer = new Date();
    let lastWhole = new Date();
    let timer = 0;

    const showLive = () => {
      const isWaiting = isLive && (isAway() || isUnanswered());
      live.setAttribute("aria-pressed", String(isLive));
      live.toggleAttribute("data-waiting", isWaiting);
      $("span:not(.dot)", live).textContent = isWaiting ? "waiting" : "live";
      document.dispatchEvent(new Event("taskyard:answered"));
    };
    const ask = () => htmx.trigger(poller, "taskyard:poll");
    const again = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        if (isLive && !document.hidden && !acting) ask();
        again();
      }, POLL_MS);
    };

    document.addEventListener("htmx:config:request", (event) => {
      const ctx = event.detail.ctx;
      if (ctx.sourceElement !== poller) return;
      if (document.hidden || acting) return event.preventDefault();
      for (const state of $$(".poll-state")) ctx.request.body.set(state.name, state.value);
      if (listIsHeld()) ctx.request.body.append("held", "list");
      ctx.taskyardGeneration = generation;
    });
    document.addEventListener("htmx:before:request", (event) => {
      const ctx = event.detail.ctx;
      if (ctx.sourceElement === poller && tag) ctx.request.headers["If-None-Match"] = tag;
    });
    document.addEventListener("htmx:before:swap", (event) => {
      const { ctx, tasks } = event.detail;
      if (ctx.sourceElement !== poller) return;
      if (document.hidden || acting || ctx.taskyardGeneration !== generation) return event.preventDefault();
      // Ticked or selected meanwhile: the list stays, the rest is shown.
      if (listIsHeld()) for (const task of tasks) if (task.target && task.target.id === "list") task.target = null;
      for (const task of tasks) { keepGoneRows(task.fragment); keepOrder(task.fragment); }
      if (ctx.response.status === 200) tag = listIsHeld() ? "" : ctx.response.headers.get("ETag") || "";
    });
    document.addEventListener("htmx:before:response", (event) => {
      const { ctx } = event.detail;
      showSignedOut(ctx.response, lastAnswer);
      if (ctx.sourceElement !== poller) return;
      band.hidden = true;
      showLive();
      if (ctx.response.status === 401) return;
      lastAnswer = new Date();
      const { headers } = ctx.response;
      if (ctx.response.status === 204) lastWhole = lastAnswer;
      const problems = Number(headers.get("Taskyard-Problems"));
      const title = document.title.replace(/^\(\d+\) /, "");
      document.title = problems ? `(${problems}) ${title}` : title;
      const asOf = headers.get("Taskyard-As-Of");
      if (asOf) for (const element of $$("[data-as-of]")) element.textContent = asOf;
    });
    document.addEventListener("htmx:error", (event) => {
      const ctx = event.detail.ctx;
      if (!ctx || ctx.sourceElement !== poller) return;
      $("[data-since]", band).textContent = clock(lastAnswer);
      band.hidden = false;
      showLive();
    });
    document.addEventListener("htmx:after:swap", (event) => {
      if (event.detail.ctx.sourceElement !== poller) return;
      if ("reload" in poller.dataset && event.detail.ctx.response.status < 400 && !$("[data-away]")) location.reload();
      // What cannot be shown any more stays as it was, and says of when that is.
      const from = $("#band [data-from]");
      if (from) from.textContent = clock(lastWhole);
      else if (!isAway()) lastWhole = lastAnswer;
      showLive();
      document.dispatchEvent(new Event("taskyard:refreshed"));
    });
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && isLive) ask();
    });
    live.addEventListener("click", () => {
      isLive = !isLive;
      sessionStorage.setItem("taskyard-live", isLive ? "on" : "off");
      showLive();
      if (isLive) ask();
    });
    showLive();
    again();

    return {
      now() { tag = ""; ask(); again(); },
      /* An action was sent: what is on its way shows the time before it. */
      begin() { acting += 1; generation += 1; htmx.trigger(poller, "htmx:abort"); },
      end() { acting -= 1; },
    };
  }

  /* Signed out: the page stays as it is. Signed in again, in another tab: its forms get the new sign-in's token. */
  function showSignedOut(response, since) {
    const band = $("#band-signed-out");
    if (!band) return;
    const token = response.headers.get("Taskyard-Form-Token");
    if (response.status === 401 && band.hidden) {
      $("[data-since]", band).textContent = clock(since);
      band.hidden = false;
    } else if (token && !band.hidden) {
      for (const field of $$("input[name=csrf_token]")) field.value = token;
      band.hidden = true;
    }
  }

  /* A task that ended without a record: the server knows nothing of it any more, the page still does. */
  function keepGoneRows(fragment) {
    for (const row of $$("tr[data-gone]", fragment)) {
      const old = document.getElementById(row.id);
      if (!old) continue;
      [...row.cells].forEach((cell, index) => {
        const before = old.cells[index];
        if (!before || cell.matches(".c-tick, .c-action, .c-main, .c-failed, .c-when")) return;
        cell.replaceChildren(...[...before.childNodes].map((node) => node.cloneNode(true)));
      });
      const name = $(".name", row);
      const known = $(".name", old);
      if (name && known) name.textContent = known.textContent;
    }
  }

  /* Rows stay where they are, whatever has become of what they are sorted by; new ones come behind them. */
  function keepOrder(fragment) {
    for (const body of $$("[data-keeps-order]", fragment)) {
      const shown = document.getElementById(body.id);
      const places = new Map([...(shown ? shown.rows : [])].map((row, index) => [row.id, index]));
      const place = (row) => places.get(row.id) ?? places.size;
      body.append(...[...body.rows].sort((a, b) => place(a) - place(b)));
    }
  }

  /* Forms that keep the page: sent by htmx, answered by toasts, followed by a refresh. */
  function startActions(poll) {
    document.addEventListener("submit", async (event) => {
      const form = event.target;
      if (!form.matches("[data-live-form]")) return;
      event.preventDefault();
      const submitter = event.submitter;
      if (form.dataset.sending) return;
      form.dataset.sending = "yes";
      poll.begin();
      const waiting = showWaiting();
      let failed = false;
      const watch = ({ detail }) => {
        const ctx = detail.ctx;
        if (!ctx || ctx.sourceElement !== form) return;
        if (detail.error) failed = true;
        const next = ctx.response && ctx.response.headers.get("Taskyard-Action-Id");
        if (next) for (const field of $$("input[name=action_id]")) field.value = next;
      };
      document.addEventListener("htmx:error", watch);
      document.addEventListener("htmx:finally:request", watch);
      try {
        const address = (submitter && submitter.getAttribute("formaction")) || form.getAttribute("action");
        await htmx.ajax("POST", address, { source: form, event, target: "#poller", swap: "none" });
      } finally {
        document.removeEventListener("htmx:error", watch);
        document.removeEventListener("htmx:finally:request", watch);
        delete form.dataset.sending;
        waiting();
        poll.end();
        if (failed) showToasts($("#offline-toast").content.cloneNode(true));
        poll.now();
      }
    });
  }

  function clock(time) { return time.toLocaleTimeString([], { hour12: false }); }

  /* While Redis is away nothing can be done; what is typed and ticked stays. */
  function isAway() { return Boolean($("[data-away]")); }

  /* Nobody would answer, or only with the sign-in. */
  function isUnanswered() { return $$("#band-console, #band-signed-out").some((band) => !band.hidden); }

  function startAway() {
    // A form that leaves the page would take with it what was typed.
    const leaves = (button) => button.form && !button.form.matches("[data-live-form]");
    const show = () => {
      for (const button of $$("[data-act]:not([data-bulk])")) {
        if (isAway() || (isUnanswered() && leaves(button))) { button.disabled = true; button.dataset.off = ""; }
        else if ("off" in button.dataset) { button.disabled = false; delete button.dataset.off; }
      }
      for (const link of $$("[data-form-link]")) {
        if (isAway() || isUnanswered()) link.setAttribute("aria-disabled", "true");
        else link.removeAttribute("aria-disabled");
      }
    };
    // They keep their address, and so the focus; by no click, key or middle button do they lead anywhere.
    for (const name of ["click", "auxclick"]) {
      document.addEventListener(name, (event) => {
        if (event.target.closest('a[aria-disabled="true"]')) event.preventDefault();
      }, true);
    }
    for (const name of ["taskyard:refreshed", "taskyard:answered"]) document.addEventListener(name, show);
    show();
  }

  function showWaiting() {
    const line = document.createElement("div");
    line.id = "waiting";
    const timer = setTimeout(() => document.body.append(line), WAITING_MS);
    return () => { clearTimeout(timer); line.remove(); };
  }

  /* The list, and only the list, stands still while rows are ticked or text in it is selected. */
  function ticked() { return $$('input[name="letter"]:checked:not(:disabled)'); }
  function selectedInList() {
    const selection = document.getSelection();
    const list = $("#list");
    return Boolean(list && selection && !selection.isCollapsed && list.contains(selection.anchorNode));
  }
  function listIsHeld() { return ticked().length > 0 || selectedInList(); }

  function startTicks() {
    const all = $("#tick-all");
    const buttons = $$("[data-bulk]").map((button) => [button, button.textContent]);
    const held = $("#held");
    const show = () => {
      const count = ticked().length;
      const boxes = $$('input[name="letter"]:not(:disabled)');
      for (const [button, words] of buttons) {
        button.textContent = count ? `${button.dataset.bulk} ${count}…` : words;
        button.disabled = count === 0 || isAway();
      }
      if (all) {
        all.checked = count > 0 && count === boxes.length;
        all.indeterminate = count > 0 && count < boxes.length;
      }
      if (held) {
        held.hidden = !listIsHeld();
        const why = count ? `${count} ${count === 1 ? "row" : "rows"} ticked` : "text selected";
        const text = `List held: ${why}`;
        const place = $("[data-held]", held);
        if (place.textContent !== text) place.textContent = text;
      }
    };
    document.addEventListener("change", (event) => {
      if (event.target === all) for (const box of $$('input[name="letter"]:not(:disabled)')) box.checked = all.checked;
      if (event.target === all || event.target.name === "letter") show();
    });
    document.addEventListener("selectionchange", show);
    document.addEventListener("taskyard:refreshed", show);
    document.addEventListener("click", (event) => {
      if (!event.target.closest("[data-release]")) return;
      for (const box of ticked()) box.checked = false;
      document.getSelection().removeAllRanges();
      show();
    });
    window.addEventListener("pageshow", show);
    show();
  }

  /* Toasts go after a while; one with an Undo stays; none goes while it is pointed at or has the focus. */
  function startToasts() {
    const box = $("#toasts");
    const begin = (toast) => {
      if (toast.dataset.timed) return;
      toast.dataset.timed = "yes";
      if (toast.hasAttribute("data-stays")) return;
      let timer = 0;
      const stop = () => clearTimeout(timer);
      const start = () => {
        stop();
        if (!toast.matches(":hover, :focus-within")) timer = setTimeout(() => toast.remove(), TOAST_MS);
      };
      for (const name of ["mouseenter", "focusin"]) toast.addEventListener(name, stop);
      for (const name of ["mouseleave", "focusout"]) toast.addEventListener(name, start);
      start();
    };
    $$(".toast", box).forEach(begin);
    new MutationObserver(() => $$(".toast", box).forEach(begin)).observe(box, { childList: true });
    document.addEventListener("click", (event) => {
      if (event.target.closest("[data-dismiss], .toast [data-act]")) {
        const toast = event.target.closest(".toast");
        setTimeout(() => toast.remove());
      }
    });
  }

  function showToasts(content) {
    $("#toasts").append(content);
  }

  function startCopies() {
    document.addEventListener("click", async (event) => {
      const button = event.target.closest("[data-copy]");
      if (!button) return;
      const done = await copy(button.dataset.copy);
      if (!done) return;
      button.setAttribute("data-copied", "");
      const before = button.title;
      button.title = "Copied";
      setTimeout(() => { button.removeAttribute("data-copied"); button.title = before; }, 1500);
    });
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Plain HTTP away from this machine: browsers give no clipboard there.
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  }

  /* A row is one link; its own controls stay their own. */
  function startRows() {
    document.addEventListener("click", (event) => {
      const row = event.target.closest("[data-row]");
      if (!row || event.target.closest("a, button, input, label, .c-tick, .c-action")) return;
      if (!document.getSelection().isCollapsed) return;
      const link = $(".row-link", row);
      if (!link || link.ariaDisabled === "true") return;
      if (event.metaKey || event.ctrlKey) window.open(link.href, "_blank", "noopener");
      else location.assign(link.href);
    });
    document.addEventListener("click", (event) => {
      const cell = event.target.closest("td.c-tick");
      if (!cell || event.target.matches("input")) return;
      const box = $("input", cell);
      if (box && !box.disabled) box.click();
    });
  }

  function startKeys() {
    const help = $("#help");
    let going = false;
    const rows = () => $$("[data-row]");
    const current = () => $("[data-row].current");
    const move = (step) => {
      const every = rows();
      if (!every.length) return;
      const index = every.indexOf(current());
      const next = every[index < 0 ? (step > 0 ? 0 : every.length - 1) : Math.min(every.length - 1, Math.max(0, index + step))];
      for (const row of every) row.classList.toggle("current", row === next);
      document.body.dataset.current = next.id;
      ($(".row-link", next) || next).focus({ preventScroll: true });
      next.scrollIntoView({ block: "nearest" });
    };
    const press = (element) => { if (element && !element.disabled) element.click(); };
    // All of a fault go by two presses: this one only leads to the button.
    const retry = () => {
      if (ticked().length) return press($('[data-bulk="Retry"]'));
      const row = current();
      if (row) return press($("[data-retry]", row));
      const all = $("[data-retry-all]:not(:disabled)");
      if (!all) return press($$("[data-retry]").find((button) => !button.closest("[data-row]")));
      all.focus({ preventScroll: true, focusVisible: true });
      all.scrollIntoView({ block: "center" });
    };
    const purge = () => {
      if (ticked().length) return press($('[data-bulk="Purge"]'));
      const row = current();
      const link = row && row.hasAttribute("data-can-purge") && $(".row-link", row);
      if (!link) return press($("[data-purge-button]"));
      const button = document.createElement("button");
      button.hidden = true;
      button.setAttribute("form", "act");
      button.setAttribute("formaction", `${link.getAttribute("href")}/trash`);
      document.body.append(button);
      button.click();
      button.remove();
    };
    const actions = {
      j: () => move(1),
      k: () => move(-1),
      x: () => current() && press($('input[type="checkbox"]', current())),
      r: retry,
      p: purge,
      "/": () => { $("#search").focus(); $("#search").select(); },
      "?": () => help.showModal(),
    };
    // A refresh takes away what a script added.
    document.addEventListener("taskyard:refreshed", () => {
      const row = document.body.dataset.current && document.getElementById(document.body.dataset.current);
      if (row) row.classList.add("current");
    });
    document.addEventListener("keydown", (event) => {
      if (document.body.dataset.keys === "off" || event.ctrlKey || event.metaKey || event.altKey || help.open) return;
      if (event.target.closest("input:not([type=checkbox]), select, textarea")) {
        if (event.key === "Escape") event.target.blur();
        return;
      }
      if (going) {
        going = false;
        const link = $(`[data-go="${CSS.escape(event.key)}"]`);
        if (link) { event.preventDefault(); location.assign(link.href); }
        return;
      }
      if (event.key === "g") { going = true; setTimeout(() => { going = false; }, 1500); return; }
      const action = actions[event.key];
      if (action) { event.preventDefault(); action(); }
    });
    document.addEventListener("click", (event) => {
      if (event.target.closest("[data-help]")) { $("#preferences").open = false; help.showModal(); }
    });
  }

  function startMenus() {
    const open = () => $$("[data-menu][open]");
    document.addEventListener("click", (event) => {
      for (const menu of open()) if (!menu.contains(event.target)) menu.open = false;
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      for (const menu of open()) { menu.open = false; $("summary", menu).focus(); }
    });
  }
})();
