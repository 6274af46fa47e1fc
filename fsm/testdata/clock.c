/* A clock for redis-server that tests can set: preloaded, it replaces the
 * system's time of day by the microseconds that the first eight bytes of the
 * file $TEST_CLOCK hold. The monotonic clock stays as it is. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static volatile int64_t *now;

__attribute__((constructor)) static void open_clock(void) {
    const char *path = getenv("TEST_CLOCK");
    int fd = path ? open(path, O_RDONLY) : -1;
    if (fd < 0) abort();
    now = mmap(0, 8, PROT_READ, MAP_SHARED, fd, 0);
    if (now == MAP_FAILED) abort();
}

int gettimeofday(struct timeval *tv, void *tz) {
    (void)tz;
    tv->tv_sec = *now / 1000000;
    tv->tv_usec = *now % 1000000;
    return 0;
}

time_t time(time_t *t) {
    time_t s = *now / 1000000;
    if (t) *t = s;
    return s;
}

int clock_gettime(clockid_t id, struct timespec *ts) {
    static int (*real)(clockid_t, struct timespec *);
    if (id == CLOCK_REALTIME) {
        ts->tv_sec = *now / 1000000;
        ts->tv_nsec = *now % 1000000 * 1000;
        return 0;
    }
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    return real(id, ts);
}
