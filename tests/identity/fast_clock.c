/* Preloaded into a gateway under test: boot time runs FAST_CLOCK times as fast, so that five minutes pass in
 * seconds, and wall-clock time is WRONG_CLOCK_S seconds ahead. Without the second it is left alone, certificates and
 * tokens go by it. Waiting is not made shorter: what is due comes at the loop's next turn, which the adverts of the
 * test bring many times a second.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *ret)
{
    static long long start_ns;
    static int factor, ahead_s;
    int rc = (int)syscall(SYS_clock_gettime, id, ret);
    long long ns = ret->tv_sec * 1000000000LL + ret->tv_nsec;

    if (rc != 0)
        return rc;
    if (factor == 0) {
        const char *fast = getenv("FAST_CLOCK"), *wrong = getenv("WRONG_CLOCK_S");

        ahead_s = wrong != NULL ? (int)strtol(wrong, NULL, 10) : 0;
        factor = fast != NULL ? (int)strtol(fast, NULL, 10) : 1;
    }
    if (id == CLOCK_REALTIME)
        ret->tv_sec += ahead_s;
    if (id != CLOCK_BOOTTIME)
        return 0;
    if (start_ns == 0)
        start_ns = ns;
    ns = start_ns + (ns - start_ns) * factor;
    ret->tv_sec = ns / 1000000000;
    ret->tv_nsec = ns % 1000000000;
    return 0;
}
