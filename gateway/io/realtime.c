/* Priority and locked memory; see realtime.h. */
#include "io/realtime.h"

#include <sched.h>
#include <sys/mman.h>

struct realtime realtime_ask(pthread_t thread)
{
    const struct sched_param param = {.sched_priority = REALTIME_PRIORITY};

    return (struct realtime){
        .memory = mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0,
        .priority = pthread_setschedparam(thread, SCHED_FIFO, &param) == 0,
    };
}

const char *realtime_missing(struct realtime granted)
{
    if (!granted.priority)
        return "no real-time priority: raise the RTPRIO limit to 50 (LimitRTPRIO= of the unit)";
    return granted.memory ? NULL
                          : "memory not locked: raise the MEMLOCK limit (LimitMEMLOCK=infinity of "
                            "the unit)";
}

const char *realtime_name(struct realtime granted)
{
    if (granted.priority)
        return granted.memory ? "real-time priority, memory locked"
                              : "real-time priority, memory not locked";
    return granted.memory ? "ordinary priority, memory locked"
                          : "ordinary priority, memory not locked";
}
