/* The engine room: the pure brain between its sources and the disk.
 *
 * Everything that enters shop_step passes engine_feed(): it is put in order, recorded, stepped, and what
 * comes out goes to the database. Retained state is printed after the commit that made it, so HQ never
 * sees a state that a power cut could take back.
 */
#ifndef NOREN_IO_ENGINE_H
#define NOREN_IO_ENGINE_H

#include "core/radio.h"
#include "core/shop.h"
#include "io/db.h"
#include "io/deliver.h"
#include "io/record.h"
#include "io/roll.h"
#include "io/vault.h"

#define ENGINE_ERROR_SIZE 512

/** The documents of a plan, in the order in which they are read. */
enum { DOCUMENT_MAP, DOCUMENT_PLANOGRAM, DOCUMENT_CAMPAIGNS, DOCUMENTS };

/** A plan and the documents it was read from, which a recording keeps. */
struct engine_plan {
    struct plan *plan;
    char *text[DOCUMENTS]; /**< NULL: there was none */
    size_t n[DOCUMENTS];
};

/** Members who were forgotten while documents may still list them: digests, no names. */
#define ENGINE_FORGOTTEN_MAX 256
#define ENGINE_CHECKINS_FILE "checkins" /* in the vault; what is in it is the control's */

/** What the members document says about somebody whom another board named; found by the ref's hash. */
#define ENGINE_KNOWN 256 /* a power of two */
struct engine_known {
    char ref[NOREN_ID_SIZE];
    uint32_t roster; /**< engine.rosters of that moment; 0 = free */
    bool may;        /**< listed, no staff */
    uint8_t consent;
    uint16_t bucket;
};
struct engine_forgotten {
    uint8_t digest[VAULT_DIGEST_SIZE];
    bool listed; /**< the document that is being read has him */
};

/** Takes an observation to somebody else's brain; false: it is for ours after all. */
typedef bool engine_forward_fn(void *user, const struct obs *o);

struct engine {
    struct shop *shop;
    struct plan *plan; /**< in force; NULL before the first */
    uint32_t plans;    /**< plans so far: indices into an earlier one mean nothing now */
    struct radio radio;
    struct roll roll; /**< members documents: the parts so far, and what is in force */
    struct roll_beacon roll_beacons[ROLL_BEACONS_MAX]; /**< of the document in force */
    size_t roll_beacons_n;
    struct vault *vault; /**< where they are at rest; NULL: in memory only */
    struct engine_forgotten forgotten[ENGINE_FORGOTTEN_MAX];
    size_t forgotten_n;
    char vault_problem[VAULT_ERROR_SIZE]; /**< why what is at rest is not what is in force, or "" */
    bool forget_due;         /**< a new members document is in force, what is kept must follow */
    struct db *db;           /**< borrowed */
    struct deliver *deliver; /**< borrowed */
    int64_t deadline_us;     /**< when the brain wants to be called */
    struct batch batch;
    bool fixtures_dirty[FIXTURES_MAX];
    bool store_dirty;
    int64_t restored, restore_refused; /**< rows at start */
    uint32_t rosters;                  /**< times that who is known has changed */
    struct engine_known known[ENGINE_KNOWN];
    enum clock_quality quality;
    const char *us;            /**< "tenant/store/gateway": whose members are taken; borrowed */
    struct recorder *recorder; /**< borrowed; NULL = no recording */
    engine_forward_fn
        *forward; /**< what this board hears and weighs goes there; NULL: to its brain */
    void *forward_user;
    int record_error; /**< why the recording ended, 0 while it goes on */
};

/** Reads map.json, planogram.json and campaigns.json (the first and the last may be absent) of `dir`. The
 * result goes to engine_init(), engine_set_plan() or engine_plan_free(). 0 or -errno with file, place and
 * remedy. */
int engine_read_plan(struct engine_plan *ret_plan, const char *dir,
                     char ret_error[ENGINE_ERROR_SIZE]);
void engine_plan_free(struct engine_plan *p);

/** A plan of nothing, for a board that has no shop of its own. 0 or -ENOMEM. */
int engine_no_plan(struct engine_plan *ret_plan);

/** The same in steps: reads one document's file into `p` (absent is well, but for the planogram); */
int engine_read_document(struct engine_plan *p, int document, const char *dir,
                         char ret_error[ENGINE_ERROR_SIZE]);

/** makes the plan out of the texts that `p` has. `where` stands in front of a document's mistakes. After a failure
 * engine_plan_free() is due. */
int engine_parse_plan(struct engine_plan *p, const char *const where[DOCUMENTS],
                      char ret_error[ENGINE_ERROR_SIZE]);

/** Starts with a plan (taken over) and what the database remembers. 0 or -errno. */
int engine_init(struct engine *e, struct engine_plan *plan, struct db *db, struct deliver *deliver,
                int64_t now_us);
void engine_free(struct engine *e);

/** Puts another plan in force (taken over; the old one is freed). A board that forwards what it hears keeps its
 * empty one, whatever plan headquarters sends it. */
void engine_set_plan(struct engine *e, struct engine_plan *plan, int64_t now_us);

/** One observation. A time before the last one's is moved up to it: sources are threads, and the brain's
 * time does not go back. */
void engine_feed(struct engine *e, const struct obs *o);

/** What this board heard or weighed: for engine_feed(), or for the board that has visits and stock. */
void engine_sense(struct engine *e, const struct obs *o);

/** One HCI packet heard by the plan's receiver. */
void engine_packet(struct engine *e, uint16_t receiver, int64_t t_us, const uint8_t *bytes,
                   size_t n);

/** Steps the brain through its deadlines up to now. */
void engine_tick(struct engine *e, int64_t now_us);

/** Reads the clock and tells brain, radio and database. Call each minute and after a jump. */
void engine_clock(struct engine *e, int64_t now_us);

/** Call once a second: the radio works ahead for the next tokens in small portions. */
void engine_second(struct engine *e);

/** An event of the gateway itself (health). */
void engine_emit(struct engine *e, const struct event *event, int64_t now_us);

/** An alert of the gateway itself. The same id ends it; texts that are too long are cut. */
void engine_raise_alert(struct engine *e, const char *alert_id, const char *kind,
                        const char *subject, int64_t now_us);
void engine_clear_alert(struct engine *e, const char *alert_id, const char *kind, int64_t now_us);

/** Commits, then hands retained state and new events to delivery. What db_commit() returned. */
int engine_commit(struct engine *e, int64_t now_us);

/** Takes one part of desired/members: checks the signature, refuses an older revision. Returns 1 when that
 * put a revision in force, 0 when more parts are to come or it is known already, or -errno with a sentence. */
int engine_members(struct engine *e, const struct jws_key *hq_key, const char *token, size_t n,
                   char ret_error[ENGINE_ERROR_SIZE]);

/** Opens the vault in DATA_DIR/members with the key that is in `key_dir` or a credential (io/vault.h), and puts
 * the newest complete revision that is in it in force. Before sources are read. 0, also when there is no key;
 * -errno with a sentence. */
int engine_open_vault(struct engine *e, const char *data_dir, const char *key_dir,
                      const struct jws_key *hq_key, char ret_error[ENGINE_ERROR_SIZE]);

/** A sighting that another board resolved, by a document that may be older than ours: consent and bucket become
 * what our own document says. False: our document has nobody of that name, or staff, or there is none; it may
 * not be used. Tags that carry no member pass. */
bool engine_admit(struct engine *e, struct obs *o);

/** Removes what is at rest once no key in it is of any use. Call now and then. */
void engine_expire_members(struct engine *e);

/** What became of the forgetting of a member. */
struct engine_receipt {
    char receipt[33]; /**< random, 32 hex digits */
    char digest
        [33]; /**< of the name under the receipt: HQ finds it in its list, nobody else by itself */
    int64_t rows; /**< stored rows that named the member */
};

/** Leaves no byte of a member in memory, database, recording or at rest, closes the visit without telling, and
 * sends noren.member.forgotten. Works for names that are not known (any more), too. 0, or -errno with what is
 * left to do: ask again. */
int engine_forget(struct engine *e, const char *member_ref, int64_t now_us,
                  struct engine_receipt *ret);

/** What waits for HQ or is kept for it names nobody whom the members document no longer lists. engine_commit()
 * calls it when that is due. 0 or -errno: to be done again. */
int engine_forget_unlisted(struct engine *e, int64_t now_us);

#endif
