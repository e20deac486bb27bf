//! The two things that only OpenBLAS itself can tell or do. The one place with `unsafe` in the workspace.

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
