/* What a broker's refusal of a PUBLISH means for what was refused (MQTT 5, 2.4 and 3.4.2.1). */
#ifndef NOREN_IO_REASON_H
#define NOREN_IO_REASON_H

#include <stdbool.h>
#include <stddef.h>

#define REASON_NO_SUBSCRIBERS   0x10
#define REASON_ERROR            0x80 /* from here on */
#define REASON_NOT_AUTHORISED   0x87
#define REASON_TOPIC_INVALID    0x90
#define REASON_PACKET_TOO_LARGE 0x95
#define REASON_QUOTA_EXCEEDED   0x97
#define REASON_PAYLOAD_INVALID  0x99

/** The same message will never be taken. Everything else (0x97 quota, 0x83, ...) means "later". */
bool reason_is_final(int reason);

/** A sentence for people, with a remedy: the broker refuses `topic`. */
void reason_print(int reason, const char *topic, char *buf, size_t size);

#endif
