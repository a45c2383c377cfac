/* Preloaded into the gateway that is measured: its clock is synced, as in a store. With one that is only held, keys of
 * the day before stay until they are known to be of no use (core/members.h), and a container's clock is never synced.
 */
#include <string.h>
#include <sys/timex.h>

int adjtimex(struct timex *ret)
{
    memset(ret, 0, sizeof(*ret));
    return TIME_OK;
}
