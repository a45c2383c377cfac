/* A broker's refusals; see reason.h. */
#include "io/reason.h"

#include <stdio.h>

bool reason_is_final(int reason)
{
    return reason == REASON_NOT_AUTHORISED || reason == REASON_TOPIC_INVALID ||
           reason == REASON_PACKET_TOO_LARGE || reason == REASON_PAYLOAD_INVALID;
}

void reason_print(int reason, const char *topic, char *buf, size_t size)
{
    const char *remedy = "";

    if (reason == REASON_NOT_AUTHORISED)
        remedy =
            " (not authorised): its ACL must let this gateway write evt/# and state/# under its "
            "root";
    else if (reason == REASON_QUOTA_EXCEEDED)
        remedy = " (quota exceeded)";
    else if (reason == REASON_PACKET_TOO_LARGE)
        remedy = " (packet too large): let it take packets of 64 KB";
    snprintf(buf, size, "the broker refuses %s with reason 0x%02x%s; it is kept, trying again",
             topic, (unsigned)reason, remedy);
}
