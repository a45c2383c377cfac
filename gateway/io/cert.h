/* The gateway's certificate: until when it is valid, and whether its files were renewed.
 *
 * A connection is made with the files as they are at that moment. When they change while it stands, a new one
 * has to be made, or the broker sees the old certificate until the network happens to fail, perhaps after it
 * expired. But only for a pair that fits: files are replaced one after the other, and half of a new pair would
 * end a good connection for nothing.
 */
#ifndef NOREN_IO_CERT_H
#define NOREN_IO_CERT_H

#include <stddef.h>
#include <stdint.h>

struct cert_files {
    const char *cert, *key; /**< PEM; borrowed */
    uint64_t seen;          /**< of the files that the connection was made with */
    int64_t not_after_s;    /**< UTC seconds, 0 unknown */
};

/** Reads the certificate's end and notes the files as they are. 0 or -errno. */
int cert_note(struct cert_files *f);

/** 1: the files are others than noted, and certificate and key fit each other (they are now noted). 0: nothing
 * to do. -EAGAIN: others, but they do not fit (yet). */
int cert_renewed(struct cert_files *f);

#endif
