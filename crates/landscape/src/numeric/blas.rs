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

/// Two choices that OpenBLAS makes when it is loaded, before `main`, where it heeds variables of the environment alone: what the loader
/// calls at these moments starts the program again with a better choice.
///
/// - It starts a thread for each core, and interrupts the process where the system gives none. Here it needs none.
/// - Where it does not know the processor, it may take it for one of 2004: version 0.3.21 uses its Prescott kernel on some of
///   Intel's processors since 2022, at a fifth of the speed (OpenBLAS #4267).
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod at_start {
    use std::ffi::{CStr, c_char, c_int, c_ulong};
    use std::ptr::null;

    unsafe extern "C" {
        fn readlink(path: *const c_char, to: *mut c_char, size: usize) -> isize;
        fn getauxval(kind: c_ulong) -> c_ulong;
        fn execve(path: *const c_char, argv: *const *const c_char, envp: *const *const c_char) -> c_int;
    }

    type AtStart = extern "C" fn(c_int, *const *const c_char, *const *const c_char);

    #[used]
    // SAFETY: functions of this section are called once, as `main` is, before those of libraries.
    #[unsafe(link_section = ".preinit_array")]
    static BEFORE_OPENBLAS: AtStart = with_one_thread;

    extern "C" fn with_one_thread(_: c_int, argv: *const *const c_char, envp: *const *const c_char) {
        let one = c"OPENBLAS_NUM_THREADS=1";
        // SAFETY: the loader gives both arrays.
        unsafe {
            if entries(envp).all(|entry| CStr::from_ptr(entry) != one) {
                again(argv, envp, one);
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    mod kernel {
        use super::{AtStart, CStr, again, c_char, c_int, entries, name_of};

        /// Kernels for processors without AVX2.
        const OLD: [&CStr; 20] = [
            c"Katmai",
            c"Coppermine",
            c"Northwood",
            c"Prescott",
            c"Banias",
            c"Atom",
            c"Core2",
            c"Penryn",
            c"Dunnington",
            c"Nehalem",
            c"Sandybridge",
            c"Athlon",
            c"Opteron",
            c"Opteron_SSE3",
            c"Barcelona",
            c"Nano",
            c"Bobcat",
            c"Bulldozer",
            c"Piledriver",
            c"Steamroller",
        ];

        #[used]
        // SAFETY: functions of this section are called once, as `main` is, after those of libraries.
        #[unsafe(link_section = ".init_array")]
        static AFTER_OPENBLAS: AtStart = with_kernel;

        /// Another kernel than the one that was asked for is not looked for.
        extern "C" fn with_kernel(_: c_int, argv: *const *const c_char, envp: *const *const c_char) {
            let Some(better) = better() else { return };
            // SAFETY: the loader gives both arrays; the name is a static string.
            unsafe {
                let is_old = OLD.contains(&CStr::from_ptr(super::super::openblas_get_corename()));
                if is_old && entries(envp).all(|entry| name_of(entry) != name_of(better.as_ptr())) {
                    again(argv, envp, better);
                }
            }
        }

        /// The kernel for the vectors of this processor; `None` where these are no wider than those of the old ones.
        fn better() -> Option<&'static CStr> {
            macro_rules! all {
                ($($feature:tt),*) => { $(is_x86_feature_detected!($feature))&&* };
            }
            if all!("avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl") {
                return Some(c"OPENBLAS_CORETYPE=SkylakeX");
            }
            all!("avx2", "fma").then_some(c"OPENBLAS_CORETYPE=Haswell")
        }
    }

    /// Starts the program again with this variable; returns where that cannot be.
    ///
    /// # Safety
    /// Two arrays of strings, each with a null at its end; nothing else runs yet.
    unsafe fn again(argv: *const *const c_char, envp: *const *const c_char, variable: &CStr) {
        /// Where the loader is; nowhere, if the loader is the program, as in `ld.so PROGRAM`, which starts itself alone.
        const AT_BASE: c_ulong = 7;
        // SAFETY: the arrays are the caller's; strings of this function end with a zero.
        unsafe {
            if getauxval(AT_BASE) == 0 {
                return;
            }
            let others = entries(envp).filter(|&entry| name_of(entry) != name_of(variable.as_ptr()));
            let envp = others.chain([variable.as_ptr(), null()]).collect::<Vec<_>>();
            // Its path, and not the link, from which the process would have its name. The last byte stays zero.
            let mut path = [0; 4097];
            if readlink(c"/proc/self/exe".as_ptr(), path.as_mut_ptr(), 4096) > 0 {
                execve(path.as_ptr(), argv, envp.as_ptr());
            }
        }
    }

    /// The strings of an array that ends with a null.
    ///
    /// # Safety
    /// It is such an array.
    unsafe fn entries(array: *const *const c_char) -> impl Iterator<Item = *const c_char> {
        // SAFETY: no further than to the null.
        (0..).map(move |i| unsafe { *array.add(i) }).take_while(|entry| !entry.is_null())
    }

    /// The name of a variable, of `name=value`.
    ///
    /// # Safety
    /// It is a string that lives as long as the program.
    unsafe fn name_of(entry: *const c_char) -> Option<&'static [u8]> {
        // SAFETY: the caller's string.
        unsafe { CStr::from_ptr(entry) }.to_bytes().split(|&b| b == b'=').next()
    }
}
