//! Panics in models are outcomes: caught, remembered in one line, and kept off the terminal.

use std::cell::{Cell, RefCell};
use std::panic::PanicHookInfo;
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs `body`; a panic inside it leaves its message with [`last_message`] and prints nothing.
pub fn quietly<T>(body: impl FnOnce() -> T) -> T {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(
            move |info| {
                if QUIET.get() { remember(info) } else { usual(info) }
            },
        ));
    });
    let before = QUIET.replace(true);
    let result = body();
    QUIET.set(before);
    result
}

/// The message of this thread's last panic inside [`quietly`], with file and line.
pub fn last_message() -> String {
    LAST.with_borrow(Clone::clone)
}

fn remember(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("no message");
    // The file's own name is enough to find it and says nothing about the machine.
    let place = info.location().map(|at| {
        let file = at.file().rsplit(['/', '\\']).next().unwrap_or_default();
        format!(" ({file}:{})", at.line())
    });
    LAST.set(format!("{message}{}", place.unwrap_or_default()));
}
