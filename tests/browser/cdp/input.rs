//! What a user does: click, type, choose, press, submit.

use serde_json::{Value, json};

use super::page::{Page, quoted};

/// Where to click on `element`, once a user could.
const SPOT: &str = r"
    if (!element) return {why: 'there is none'};
    if (element.matches(':disabled')) return {why: 'it is disabled'};
    element.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});
    const box = [...element.getClientRects()].find(box => box.width > 0 && box.height > 0);
    if (!box || getComputedStyle(element).visibility !== 'visible') return {why: 'it is not shown'};
    const x = box.x + box.width / 2, y = box.y + box.height / 2;
    const hit = document.elementFromPoint(x, y);
    if (!hit) return {why: 'it is off the screen'};
    if (!element.contains(hit) && hit.closest('label')?.control !== element)
        return {why: 'it is covered by ' + hit.outerHTML.slice(0, 200)};
    return {ok: true, x, y};";

/// Sets `element` to the control whose words are WORDS. What is not shown has no words.
const NAMED: &str = r"
    const plain = text => text.replace(/\s+/g, ' ').trim();
    const name = control => plain(control.getAttribute('aria-label') ??
        (control.matches('input') ? control.value : control.innerText));
    const controls = [...document.querySelectorAll('a[href], button, summary, label, ' +
        'input[type=submit], input[type=button], input[type=reset], [role=button], [role=link], ' +
        '[role=tab], [role=menuitem], [role=switch]')].filter(control =>
        control.getClientRects().length > 0);
    const called = controls.filter(control => name(control) === plain(WORDS));
    if (called.length > 1) return {why: called.length + ' are called so'};
    if (called.length === 0) return {why: 'there are ' + controls.map(name).join(' | ')};
    const element = called[0];";

/// Puts the focus into `element` with its value selected; a kind that nobody types is set at once.
const READY_TO_TYPE: &str = r"
    if (!element) return {why: 'there is none'};
    if (element.matches(':disabled') || element.readOnly) return {why: 'it cannot be written to'};
    element.focus();
    const picked = ['date', 'time', 'datetime-local', 'month', 'week', 'color', 'range'];
    if (picked.includes(element.type)) {
        element.value = VALUE;
        for (const kind of ['input', 'change'])
            element.dispatchEvent(new Event(kind, {bubbles: true}));
        return {ok: 'set'};
    }
    element.select();
    return {ok: 'type'};";

/// Chooses a value in a list, among radio buttons, or as one of several boxes.
const CHOICE: &str = r"(selector, value) => {
    const elements = [...document.querySelectorAll(selector)];
    if (elements.length === 0) return {why: 'there is none'};
    const list = elements[0];
    if (list.matches('select')) {
        const option = [...list.options].find(option => option.value === value) ??
            [...list.options].find(option => option.label.trim() === value);
        const labels = [...list.options].map(option => option.value + ' (' + option.label + ')');
        if (!option) return {why: 'it offers ' + labels.join(', ')};
        if (list.matches(':disabled') || option.disabled) return {why: 'it is disabled'};
        option.selected = true;
        for (const kind of ['input', 'change'])
            list.dispatchEvent(new Event(kind, {bubbles: true}));
        return {ok: true};
    }
    const button = elements.find(element => element.value === value);
    if (!button) return {why: 'it offers ' + elements.map(element => element.value).join(', ')};
    if (button.matches(':disabled')) return {why: 'it is disabled'};
    if (!button.checked) button.click();
    return {ok: true};
}";

/// Submits `form` as its button does. A form whose event a script has taken over goes nowhere.
const SUBMISSION: &str = r"
    const form = document.querySelector(SELECTOR);
    if (!form) return {why: 'there is none'};
    const invalid = [...form.elements].filter(field => !field.checkValidity())
        .map(field => field.name + ': ' + field.validationMessage);
    if (!form.noValidate && invalid.length > 0) return {ok: 'invalid', fields: invalid.join(', ')};
    let leads = true;
    const last = event => leads = !event.defaultPrevented;
    addEventListener('submit', last, {once: true});
    form.requestSubmit(form.querySelector('button:not([type]), [type=submit]'));
    removeEventListener('submit', last);
    return {ok: leads ? 'leads' : 'stays'};";

/// Keys that are no character: name, code, number, text.
const KEYS: [(&str, u32, &str); 16] = [
    ("Enter", 13, "\r"),
    ("Tab", 9, ""),
    ("Escape", 27, ""),
    ("Backspace", 8, ""),
    ("Delete", 46, ""),
    ("Space", 32, " "),
    ("ArrowLeft", 37, ""),
    ("ArrowUp", 38, ""),
    ("ArrowRight", 39, ""),
    ("ArrowDown", 40, ""),
    ("Home", 36, ""),
    ("End", 35, ""),
    ("PageUp", 33, ""),
    ("PageDown", 34, ""),
    ("F1", 112, ""),
    ("F6", 117, ""),
];

impl Page {
    /// Clicks the middle of the first such element with the mouse, once it can be seen there.
    pub(crate) async fn click(&self, selector: &str) {
        let element = format!("const element = document.querySelector({});", quoted(selector));
        self.click_found(&format!("click {selector}"), &element).await;
    }

    /// Clicks the one link, button, tab or label that has these words and no others.
    pub(crate) async fn click_text(&self, words: &str) {
        let element = NAMED.replace("WORDS", &quoted(words));
        self.click_found(&format!("click what is called {words:?}"), &element).await;
    }

    async fn click_found(&self, what: &str, element: &str) {
        let spot = self.poll(what, &format!("() => {{ {element} {SPOT} }}")).await;
        for (kind, buttons) in [("mouseMoved", 0), ("mousePressed", 1), ("mouseReleased", 0)] {
            let button = if kind == "mouseMoved" { "none" } else { "left" };
            let event = json!({
                "type": kind, "x": spot["x"], "y": spot["y"],
                "button": button, "buttons": buttons, "clickCount": 1,
            });
            self.act("Input.dispatchMouseEvent", event).await;
        }
    }

    /// Input whose page is replaced before it answers has been done.
    async fn act(&self, method: &'static str, params: Value) {
        match self.try_call(method, params).await {
            Err(error) if !error.contains("navigated or closed") => panic!("{method}: {error}"),
            _ => {}
        }
    }

    /// Types a text into a field in the place of what is there. `change` is heard when the focus
    /// leaves, as by `press("Tab")`. A date or time is given as in HTML: `2026-11-29`, `17:30`.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let ready = READY_TO_TYPE.replace("VALUE", &quoted(text));
        let selector_quoted = quoted(selector);
        let ready = format!(
            "() => {{ const element = document.querySelector({selector_quoted}); {ready} }}"
        );
        let found = self.poll(&format!("fill {selector}"), &ready).await;
        if found["ok"] == "set" {
            return;
        }
        if text.is_empty() {
            self.press("Delete").await;
        } else {
            self.act("Input.insertText", json!({"text": text})).await;
        }
    }

    /// Chooses the option with this value or label in a list. Where the selector finds radio buttons
    /// or boxes, such as `[name=day]`, checks the one with this value.
    pub(crate) async fn choose(&self, selector: &str, value: &str) {
        let choice = format!("() => ({CHOICE})({}, {})", quoted(selector), quoted(value));
        self.poll(&format!("choose {value:?} in {selector}"), &choice).await;
    }

    /// Presses a key where the focus is: a character, or a name such as `Enter`, `Tab`, `Shift+Tab`,
    /// `Escape`, `Space`, `ArrowDown`, `Control+a`.
    pub(crate) async fn press(&self, key: &str) {
        let (modifiers, key) = match key.split_once('+') {
            Some(("Alt", key)) => (1, key),
            Some(("Control", key)) => (2, key),
            Some(("Shift", key)) => (8, key),
            _ => (0, key),
        };
        let named = KEYS.iter().find(|(name, _, _)| *name == key);
        let (number, text) = match named {
            Some((_, number, text)) => (*number, *text),
            None if key.chars().count() == 1 => {
                (key.to_uppercase().chars().map(u32::from).sum(), key)
            }
            None => panic!("{key:?} is no key: give a character or one of {:?}", KEYS.map(|k| k.0)),
        };
        // With Control or Alt a character is a command and no text.
        let text = if modifiers & 3 == 0 { text } else { "" };
        let name = if key == "Space" { " " } else { key };
        let code = if named.is_some() { key.to_owned() } else { code(key) };
        for kind in [if text.is_empty() { "rawKeyDown" } else { "keyDown" }, "keyUp"] {
            let event = json!({
                "type": kind, "key": name, "code": code, "modifiers": modifiers,
                "windowsVirtualKeyCode": number, "text": if kind == "keyUp" { "" } else { text },
            });
            self.act("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Submits a form with its first button, and waits until what it leads to has loaded. Where a
    /// script takes the form over, wait for what the script shows.
    ///
    /// # Panics
    ///
    /// When the browser refuses, because a field is not valid.
    pub(crate) async fn submit(&self, form: &str) {
        let known = self.documents().await;
        let submission = SUBMISSION.replace("SELECTOR", &quoted(form));
        let submission = format!("() => {{ {submission} }}");
        let done = self.poll(&format!("submit {form}"), &submission).await;
        match done["ok"].as_str() {
            Some("leads") => self.loads_another(&known).await,
            Some("stays") => {}
            _ => panic!("submit {form}: the browser refuses {}", done["fields"]),
        }
    }
}

/// The physical key of a character on an American keyboard, for letters and digits.
fn code(character: &str) -> String {
    match character.chars().next() {
        Some(letter) if letter.is_ascii_alphabetic() => {
            format!("Key{}", letter.to_ascii_uppercase())
        }
        Some(digit) if digit.is_ascii_digit() => format!("Digit{digit}"),
        _ => String::new(),
    }
}
