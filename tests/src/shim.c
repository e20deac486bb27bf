// A file system that fails, in place of the library of C, and what OpenBLAS takes a processor for: LD_PRELOAD for the stages of a test.
// What fails is said by variables of the environment, and by files in the folder SHIM, which come and go while a stage runs: `full`,
// `readonly`, `clock`.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int is_there(const char *name) {
    const char *folder = getenv("SHIM");
    char path[4096];
    if (!folder) return 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int saved = errno, found = access(path, F_OK) == 0;
    errno = saved;
    return found;
}

static int is_file(int fd) {
    struct stat about;
    return fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
}

// A file system without locks: SHIM_FLOCK is what it answers.
int flock(int fd, int operation) {
    const char *answer = getenv("SHIM_FLOCK");
    if (answer) { errno = atoi(answer); return -1; }
    return REAL(flock)(fd, operation);
}

// A folder of a lower layer, SHIM_LOWER, cannot be moved.
int rename(const char *from, const char *to) {
    const char *lower = getenv("SHIM_LOWER");
    if (lower && !strcmp(from, lower)) { errno = EXDEV; return -1; }
    if (is_there("readonly")) { errno = EROFS; return -1; }
    return REAL(rename)(from, to);
}

// A full disk takes half of what it gets, and then nothing.
ssize_t write(int fd, const void *bytes, size_t n) {
    if (is_file(fd) && is_there("full")) {
        if (n < 2) { errno = ENOSPC; return -1; }
        n /= 2;
    }
    return REAL(write)(fd, bytes, n);
}
ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at) {
    if (is_there("full")) { errno = ENOSPC; return -1; }
    return REAL(pwrite64)(fd, bytes, n, at);
}
ssize_t writev(int fd, const struct iovec *parts, int n) {
    if (is_file(fd) && is_there("full")) { errno = ENOSPC; return -1; }
    return REAL(writev)(fd, parts, n);
}

// A file system that is read-only for a while.
int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    if ((flags & (O_WRONLY | O_RDWR)) && strncmp(path, "/dev/", 5) && is_there("readonly")) { errno = EROFS; return -1; }
    return REAL(open64)(path, flags, mode);
}
int mkdir(const char *path, mode_t mode) {
    if (is_there("readonly")) { errno = EROFS; return -1; }
    return REAL(mkdir)(path, mode);
}
int unlinkat(int folder, const char *path, int flags) {
    if (is_there("readonly")) { errno = EROFS; return -1; }
    return REAL(unlinkat)(folder, path, flags);
}

// A clock that jumps, forwards and back: two hours, one way in even seconds.
int clock_gettime(clockid_t clock, struct timespec *now) {
    int answer = REAL(clock_gettime)(clock, now);
    if (clock == CLOCK_REALTIME && is_there("clock")) now->tv_sec += now->tv_sec % 2 ? 7200 : -7200;
    return answer;
}

// An OpenBLAS that takes each processor for one of 2004, unless it is told which it is: it answers so with SHIM_KERNEL.
const char *openblas_get_corename(void) {
    const char *told = getenv("OPENBLAS_CORETYPE");
    if (getenv("SHIM_KERNEL")) return told ? told : getenv("SHIM_KERNEL");
    return ((const char *(*)(void))dlsym(RTLD_NEXT, "openblas_get_corename"))();
}
