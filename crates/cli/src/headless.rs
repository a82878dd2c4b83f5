//! Keeps Vulkan quiet where there is no desktop.
#![allow(unsafe_code, reason = "an environment variable is all that the layer listens to")]

use std::env;

/// Mesa's layer for choosing a device asks the desktop which one it draws on. Without one, as on the nodes of a cluster, it
/// writes "error: XDG_RUNTIME_DIR is invalid" to the terminal of every run, although nothing is wrong; this switches it off,
/// unless the user steers it. To be called before anything else.
pub fn quiet_device_selection() {
    let unset = |name: &str| env::var_os(name).is_none();
    if unset("XDG_RUNTIME_DIR") && unset("MESA_VK_DEVICE_SELECT") {
        // SAFETY: first thing in `main`, so no other thread reads the environment.
        unsafe { env::set_var("NODEVICE_SELECT", "1") };
    }
}
