//! What only OpenBLAS itself can tell or do. The one place with `unsafe` in the workspace.

#![allow(unsafe_code)]

// Links the library whose functions are declared below.
extern crate openblas_src;

use std::ffi::{CStr, c_char, c_int};

unsafe extern "C" {
    fn openblas_set_num_threads(n: c_int);
    fn openblas_get_corename() -> *const c_char;
    fn openblas_get_config() -> *const c_char;
}

/// Makes OpenBLAS use `threads` of its own: for the sgemm that kernels are measured against, and nowhere else.
pub fn use_threads(threads: usize) {
    let threads = c_int::try_from(threads).unwrap_or(c_int::MAX);
    // SAFETY: takes an int by value and changes a global of OpenBLAS under its own lock.
    unsafe { openblas_set_num_threads(threads) };
}

/// Makes OpenBLAS compute each product on the thread that calls it, and names the library and its kernel.
///
/// Rayon owns the threads (blocks of samples in parallel): threads below threads would contend, and the bytes of a
/// product would depend on their number.
pub fn use_one_thread() -> String {
    use_threads(1);
    // SAFETY: both return a pointer to a static, NUL-terminated string that is never freed.
    let (core, config) =
        unsafe { (CStr::from_ptr(openblas_get_corename()), CStr::from_ptr(openblas_get_config())) };
    let version = config.to_string_lossy().split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    format!("{version}, {} kernel", core.to_string_lossy())
}

/// OpenBLAS starts a thread for each core when it is loaded, before `main`; where the system gives none, it interrupts the process.
/// Here it needs none, and it heeds one variable of the environment: the loader calls what is in this section before OpenBLAS
/// begins, and that starts the program again with the variable.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod at_start {
    use std::ffi::{CStr, c_char, c_int, c_ulong};
    use std::ptr::null;

    const ONE_THREAD: &CStr = c"OPENBLAS_NUM_THREADS=1";

    unsafe extern "C" {
        fn readlink(path: *const c_char, to: *mut c_char, size: usize) -> isize;
        fn getauxval(kind: c_ulong) -> c_ulong;
        fn execve(path: *const c_char, argv: *const *const c_char, envp: *const *const c_char) -> c_int;
    }

    type AtStart = extern "C" fn(c_int, *const *const c_char, *const *const c_char);

    #[used]
    // SAFETY: functions of this section are called once, as `main` is.
    #[unsafe(link_section = ".preinit_array")]
    static BEFORE_OPENBLAS: AtStart = again_with_one_thread;

    /// Returns where the variable is set, or the program cannot be started again.
    extern "C" fn again_with_one_thread(_: c_int, argv: *const *const c_char, envp: *const *const c_char) {
        /// Where the loader is; nowhere, if the loader is the program, as in `ld.so PROGRAM`, which starts itself alone.
        const AT_BASE: c_ulong = 7;
        // SAFETY: the loader gives two arrays of strings, each with a null at its end; nothing else runs yet.
        unsafe {
            let all = (0..).map(|i| *envp.add(i)).take_while(|entry| !entry.is_null());
            let is_other = |entry: &*const c_char| {
                !CStr::from_ptr(*entry).to_bytes().starts_with(b"OPENBLAS_NUM_THREADS=")
            };
            if getauxval(AT_BASE) == 0 || all.clone().any(|entry| CStr::from_ptr(entry) == ONE_THREAD) {
                return;
            }
            let again = all.filter(is_other).chain([ONE_THREAD.as_ptr(), null()]).collect::<Vec<_>>();
            // Its path, and not the link, from which the process would have its name. The last byte stays zero.
            let mut path = [0; 4097];
            if readlink(c"/proc/self/exe".as_ptr(), path.as_mut_ptr(), 4096) > 0 {
                execve(path.as_ptr(), argv, again.as_ptr());
            }
        }
    }
}
