/* Preloaded into an interpreter: counts the calls that it makes of the system and, at one of them, kills the process or
 * makes the call fail, without doing it. Built and driven by tests/nth_call.py: `cc -shared -fPIC -o … nth_call.c`. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OFF, ASLEEP, AWAKE };

static int state = OFF, wanted, error, log_to = -1;
static long count;
static const char *always; /* a function that always fails */

/* From now on, or with `after_post` once a request has begun to be sent: at call `at` (0: never) fail with `number`, or
 * kill the process where that is 0. `log`: a descriptor that hears of every counted call, -1 for none. */
void nth_call_arm(int after_post, int at, int number, int log) {
    count = 0, wanted = at, error = number, log_to = log;
    state = after_post ? ASLEEP : AWAKE;
}

/* Without anybody to arm it: every call of one function fails. */
__attribute__((constructor)) static void from_the_environment(void) {
    always = getenv("NTH_CALL_ALWAYS");
    if (always) nth_call_arm(0, 0, atoi(getenv("NTH_CALL_ERROR")), -1);
}

static void tell(const char *name, int descriptor, const char *path) {
    char link[64], target[512] = "", line[700];
    if (descriptor >= 0) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
        long length = syscall(SYS_readlinkat, AT_FDCWD, link, target, sizeof target - 1);
        target[length > 0 ? length : 0] = 0;
        path = target;
    }
    int length = snprintf(line, sizeof line, "%s\t%.500s\n", name, path ? path : "");
    syscall(SYS_write, log_to, line, length);
}

/* Whether this call shall fail; `errno` says how. */
static int fails(const char *name, int descriptor, const char *path) {
    if (state != AWAKE) return 0;
    long number = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    if (log_to >= 0) tell(name, descriptor, path);
    if (always && !strcmp(always, name)) return errno = error, 1;
    if (number != wanted) return 0;
    if (!error) kill(getpid(), SIGKILL);
    return errno = error, 1;
}

#define REAL(result, name, ...)                                     \
    static result (*real)(__VA_ARGS__);                             \
    if (!real) real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

/* A function of the descriptor (or path) that is its first parameter. */
#define OF_FD(result, name, parameters, arguments)                  \
    result name parameters {                                        \
        static result(*real) parameters;                            \
        if (!real) real = (result(*) parameters)dlsym(RTLD_NEXT, #name); \
        if (fails(#name, fd, NULL)) return -1;                      \
        return real arguments;                                      \
    }
#define OF_PATH(result, name, parameters, arguments)                \
    result name parameters {                                        \
        static result(*real) parameters;                            \
        if (!real) real = (result(*) parameters)dlsym(RTLD_NEXT, #name); \
        if (fails(#name, -1, path)) return -1;                      \
        return real arguments;                                      \
    }

OF_FD(ssize_t, read, (int fd, void *data, size_t size), (fd, data, size))
OF_FD(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))
OF_FD(ssize_t, pread64, (int fd, void *data, size_t size, off64_t at), (fd, data, size, at))
OF_FD(ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at))
OF_FD(off64_t, lseek64, (int fd, off64_t at, int from), (fd, at, from))
OF_FD(int, fsync, (int fd), (fd))
OF_FD(int, fdatasync, (int fd), (fd))
OF_FD(int, ftruncate64, (int fd, off64_t size), (fd, size))
OF_FD(int, flock, (int fd, int how), (fd, how))
OF_FD(int, fstat64, (int fd, struct stat64 *into), (fd, into))
OF_FD(int, fchmod, (int fd, mode_t mode), (fd, mode))
OF_FD(int, dup, (int fd), (fd))
OF_FD(int, dup2, (int fd, int other), (fd, other))
OF_FD(int, connect, (int fd, const struct sockaddr *to, socklen_t size), (fd, to, size))
OF_FD(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t size), (fd, level, name, value, size))
OF_FD(int, shutdown, (int fd, int how), (fd, how))
OF_FD(ssize_t, recv, (int fd, void *data, size_t size, int flags), (fd, data, size, flags))
OF_PATH(int, stat64, (const char *path, struct stat64 *into), (path, into))
OF_PATH(int, lstat64, (const char *path, struct stat64 *into), (path, into))
OF_PATH(int, access, (const char *path, int mode), (path, mode))
OF_PATH(int, mkdir, (const char *path, mode_t mode), (path, mode))
OF_PATH(int, rmdir, (const char *path), (path))
OF_PATH(int, unlink, (const char *path), (path))
OF_PATH(int, rename, (const char *path, const char *to), (path, to))
OF_PATH(int, link, (const char *path, const char *to), (path, to))

int linkat(int fd, const char *path, int other, const char *to, int flags) {
    REAL(int, linkat, int, const char *, int, const char *, int);
    if (fails("linkat", -1, path)) return -1;
    return real(fd, path, other, to, flags);
}

int fstatat64(int fd, const char *path, struct stat64 *into, int flags) {
    REAL(int, fstatat64, int, const char *, struct stat64 *, int);
    if (fails("fstatat64", -1, path)) return -1;
    return real(fd, path, into, flags);
}

void *opendir(const char *path) {
    REAL(void *, opendir, const char *);
    if (fails("opendir", -1, path)) return NULL;
    return real(path);
}

int open64(const char *path, int flags, ...) {
    REAL(int, open64, const char *, int, ...);
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    if (fails(flags & O_CREAT ? "open64+" : "open64", -1, path)) return -1;
    return real(path, flags, mode);
}

/* Closes all the same, as Linux does: the descriptor is gone, whatever is answered. */
int close(int fd) {
    REAL(int, close, int);
    if (fails("close", fd, NULL)) {
        int answer = errno;
        real(fd);
        return errno = answer, -1;
    }
    return real(fd);
}

int fcntl64(int fd, int command, ...) {
    REAL(int, fcntl64, int, int, ...);
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (fails("fcntl64", fd, NULL)) return -1;
    return real(fd, command, argument);
}

int ioctl(int fd, unsigned long command, ...) {
    REAL(int, ioctl, int, unsigned long, ...);
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (fails("ioctl", fd, NULL)) return -1;
    return real(fd, command, argument);
}

int poll(struct pollfd *of, nfds_t count, int patience) {
    REAL(int, poll, struct pollfd *, nfds_t, int);
    if (fails("poll", count ? of->fd : -1, NULL)) return -1;
    return real(of, count, patience);
}

void *mmap64(void *at, size_t size, int protection, int flags, int fd, off64_t from) {
    REAL(void *, mmap64, void *, size_t, int, int, int, off64_t);
    if (fd >= 0 && fails("mmap64", fd, NULL)) return MAP_FAILED; /* not the interpreter's own memory */
    return real(at, size, protection, flags, fd, from);
}

int socket(int family, int kind, int protocol) {
    REAL(int, socket, int, int, int);
    if (fails("socket", -1, NULL)) return -1;
    return real(family, kind, protocol);
}

ssize_t send(int fd, const void *data, size_t size, int flags) {
    REAL(ssize_t, send, int, const void *, size_t, int);
    if (fails("send", fd, NULL)) return -1;
    if (state == ASLEEP && size > 4 && !memcmp(data, "POST ", 5)) state = AWAKE;
    return real(fd, data, size, flags);
}

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **found) {
    REAL(int, getaddrinfo, const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (fails("getaddrinfo", -1, host)) return EAI_SYSTEM;
    return real(host, port, hints, found);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*work)(void *), void *with) {
    REAL(int, pthread_create, pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (fails("pthread_create", -1, NULL)) return errno;
    return real(thread, how, work, with);
}
