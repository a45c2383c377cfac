/* Bundles: what headquarters wants of a gateway, as signed documents with a revision.
 *
 *   keys        {"to","revision","key":"64 hex digits"}                the key that signs from now on
 *   config      {"to","revision","config":{...}}                       where headquarters is, how much is kept
 *   planogram   {"to","revision","planogram":{...},"map":{...}}        what stands where; the map may be absent
 *   campaigns   {"to","revision","campaigns":[...]}                    who is offered what
 *
 * "to" is {tenant}, {tenant}/{store} or {tenant}/{store}/{gateway}: a bundle is taken by whom it names, so that
 * nobody can give one store's members to another. The map travels with the planogram, because the planogram names
 * zones of the map; two topics could never change together.
 *
 * Of one kind the later revision wins; revisions only grow. The kind is the one name that the others do not have,
 * so a file says by itself what it is. Here they are read and made; what they do to a gateway is io/desired.c.
 * Members come in parts of their own, because they are many and secret: io/roll.h.
 */
#ifndef NOREN_IO_BUNDLE_H
#define NOREN_IO_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/jws.h"
#include "noren/units.h"

/* In the order in which a gateway takes them up. */
enum bundle_kind { BUNDLE_KEYS, BUNDLE_CONFIG, BUNDLE_PLANOGRAM, BUNDLE_CAMPAIGNS, BUNDLES };

#define BUNDLE_ERROR_SIZE 512
#define BUNDLE_TO_SIZE    (3 * NOREN_ID_SIZE + 3)
#define BUNDLE_HOST_SIZE  256

/** What the config bundle may change. Few: a setting belongs here if headquarters must be able to change it and
 * nobody at the store would know what to write. 0 or "": as noren.conf or the default has it. */
struct bundle_config {
    char host[BUNDLE_HOST_SIZE]; /**< of headquarters' broker */
    uint32_t port;
    int64_t
        confirm_s; /**< how long a new broker has until headquarters must have acknowledged through it */
    int64_t quota_mb; /**< of the database */
    int64_t keep_mb;  /**< of acknowledged events */
    int64_t keep_h;   /**< and for how long */
};

/** A bundle that was read. */
struct bundle {
    enum bundle_kind kind;
    char to[BUNDLE_TO_SIZE];
    int64_t revision;
    char *document; /**< planogram; the whole payload for campaigns; owned */
    size_t document_n;
    char *map; /**< owned, NULL: none */
    size_t map_n;
    struct bundle_config config;
    uint8_t key[JWS_PUBLIC_SIZE];
};

/** Its name in topics and files: "planogram". */
const char *bundle_name(enum bundle_kind kind);
/** BUNDLES when it is none. */
enum bundle_kind bundle_find(const char *name);

/** Reads a payload. Planograms and campaigns are only taken apart here: their own readers (io/plan_json.h)
 * check them. 0 (the caller frees with bundle_free()), -EINVAL with a sentence that names the
 * place, or -ENOMEM. */
int bundle_read(struct bundle *ret, const char *json, size_t n, char ret_error[BUNDLE_ERROR_SIZE]);

/** Checks the signature, reads, and checks kind and addressee ("tenant/store/gateway"). Also -EBADMSG: not signed
 * by this key; -EPERM: for somebody else. */
int bundle_open(struct bundle *ret, enum bundle_kind kind, const struct jws_key *key,
                const char *token, size_t n, const char *us, char ret_error[BUNDLE_ERROR_SIZE]);
void bundle_free(struct bundle *b);

/** True when `to` names `us` or what `us` belongs to. */
bool bundle_is_for(const char *to, const char *us);

/** Follows a chain of key bundles, one a line, oldest first: each is signed by the key before and names the one
 * after. `key` becomes the last one, `*ret_revision` its revision (untouched when nothing changed). Lines before the
 * first that `key` signed are passed over. Returns how many steps were taken, or -EBADMSG with a sentence: `key` is then as
 * far as the chain was good. */
int bundle_follow_keys(struct jws_key *key, const char *chain, size_t n, const char *us,
                       int64_t *ret_revision, char ret_error[BUNDLE_ERROR_SIZE]);

/** Makes the payload of a kind out of its document (planogram, campaigns, the object of config, or for
 * keys the 64 hex digits), and of a map or NULL. Checks nothing but the JSON. The caller frees *ret_payload. 0, -EINVAL with a sentence,
 * or -ENOMEM. */
int bundle_make(enum bundle_kind kind, const char *to, int64_t revision, const char *document,
                size_t n, const char *map, size_t map_n, char **ret_payload,
                char ret_error[BUNDLE_ERROR_SIZE]);

/** Checks what bundle_read() took apart, as far as that can be done without the other bundles: 0, or -EINVAL with
 * path and remedy. */
int bundle_check(const struct bundle *b, char ret_error[BUNDLE_ERROR_SIZE]);

#endif
