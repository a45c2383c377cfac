/* A name server that does not answer: preloaded, it lets getaddrinfo() of any name wait while the file
 * $NOREN_NAMES_HANG exists. (A resolver that drops packets needs root and the machine's /etc/resolv.conf.) */
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__typeof__(getaddrinfo) getaddrinfo; /* this one stands before the C library's */

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **res)
{
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    const char *file = getenv("NOREN_NAMES_HANG");
    __typeof__(getaddrinfo) *real;

    memcpy(&real, &symbol, sizeof(real)); /* POSIX allows it, ISO C has no cast for it */
    while (file != NULL && access(file, F_OK) == 0)
        usleep(50000);
    return real(node, service, hints, res);
}
