/* BTHome version 2 (bthome.io/format): service data of the 16-bit UUID FCD2.
 *
 *   d2 fc | device information | object id, value | object id, value | ...
 *   device information: bit 0 encrypted, bit 2 trigger based, bits 5 to 7 version (2)
 *   encrypted: d2 fc | device information | ciphertext | counter x4 | tag x4
 *
 * An object's length follows from its id, and where that says so from the byte behind it. Senders write objects by ascending id, so that a receiver
 * that does not know an id stops there and keeps what came before; so do we.
 * Values are integers times a decimal factor and are printed as such: as binary floating point 0.35 x 3
 * would come out as 1.0499999999999998.
 */
#include "core/decode.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define UUID_BTHOME      0xfcd2
#define VERSION_2        2
#define INFO_ENCRYPTED   0x01
#define OBJECT_PACKET_ID 0x00
#define COUNTER_SIZE     4
#define TAG_SIZE         4

enum shape {
    U,       /* unsigned little-endian */
    S,       /* signed little-endian */
    BINARY,  /* 0 or 1 */
    BUTTON,  /* event code */
    COMMAND, /* length of the arguments, event code, arguments */
    DIMMER,  /* event code, steps */
    TEXT,    /* length, UTF-8 */
    RAW,     /* length, bytes */
    VERSION, /* dotted, most significant last */
};

/* value x multiplier / 10^decimals, in the unit of the specification */
struct object {
    const char *name; /* NULL: not assigned */
    enum shape shape;
    uint8_t size; /* bytes; COMMAND, TEXT and RAW: of the length */
    uint8_t multiplier, decimals;
};

/* clang-format off */
static const struct object objects[256] = {
    [0x00] = {"packet id", U, 1, 1, 0},           [0x01] = {"battery", U, 1, 1, 0},
    [0x02] = {"temperature", S, 2, 1, 2},         [0x03] = {"humidity", U, 2, 1, 2},
    [0x04] = {"pressure", U, 3, 1, 2},            [0x05] = {"illuminance", U, 3, 1, 2},
    [0x06] = {"mass (kg)", U, 2, 1, 2},                [0x07] = {"mass (lb)", U, 2, 1, 2},
    [0x08] = {"dewpoint", S, 2, 1, 2},            [0x09] = {"count", U, 1, 1, 0},
    [0x0a] = {"energy", U, 3, 1, 3},              [0x0b] = {"power", U, 3, 1, 2},
    [0x0c] = {"voltage", U, 2, 1, 3},             [0x0d] = {"pm2.5", U, 2, 1, 0},
    [0x0e] = {"pm10", U, 2, 1, 0},                [0x0f] = {"generic boolean", BINARY, 1, 1, 0},
    [0x10] = {"power", BINARY, 1, 1, 0},          [0x11] = {"opening", BINARY, 1, 1, 0},
    [0x12] = {"co2", U, 2, 1, 0},                 [0x13] = {"tvoc", U, 2, 1, 0},
    [0x14] = {"moisture", U, 2, 1, 2},            [0x15] = {"battery", BINARY, 1, 1, 0},
    [0x16] = {"battery charging", BINARY, 1, 1, 0}, [0x17] = {"carbon monoxide", BINARY, 1, 1, 0},
    [0x18] = {"cold", BINARY, 1, 1, 0},           [0x19] = {"connectivity", BINARY, 1, 1, 0},
    [0x1a] = {"door", BINARY, 1, 1, 0},           [0x1b] = {"garage door", BINARY, 1, 1, 0},
    [0x1c] = {"gas", BINARY, 1, 1, 0},            [0x1d] = {"heat", BINARY, 1, 1, 0},
    [0x1e] = {"light", BINARY, 1, 1, 0},          [0x1f] = {"lock", BINARY, 1, 1, 0},
    [0x20] = {"moisture", BINARY, 1, 1, 0},       [0x21] = {"motion", BINARY, 1, 1, 0},
    [0x22] = {"moving", BINARY, 1, 1, 0},         [0x23] = {"occupancy", BINARY, 1, 1, 0},
    [0x24] = {"plug", BINARY, 1, 1, 0},           [0x25] = {"presence", BINARY, 1, 1, 0},
    [0x26] = {"problem", BINARY, 1, 1, 0},        [0x27] = {"running", BINARY, 1, 1, 0},
    [0x28] = {"safety", BINARY, 1, 1, 0},         [0x29] = {"smoke", BINARY, 1, 1, 0},
    [0x2a] = {"sound", BINARY, 1, 1, 0},          [0x2b] = {"tamper", BINARY, 1, 1, 0},
    [0x2c] = {"vibration", BINARY, 1, 1, 0},      [0x2d] = {"window", BINARY, 1, 1, 0},
    [0x2e] = {"humidity", U, 1, 1, 0},            [0x2f] = {"moisture", U, 1, 1, 0},
    [0x3a] = {"button", BUTTON, 1, 1, 0},         [0x3b] = {"command", COMMAND, 1, 1, 0},
    [0x3c] = {"dimmer", DIMMER, 2, 1, 0},
    [0x3d] = {"count", U, 2, 1, 0},               [0x3e] = {"count", U, 4, 1, 0},
    [0x3f] = {"rotation", S, 2, 1, 1},            [0x40] = {"distance (mm)", U, 2, 1, 0},
    [0x41] = {"distance (m)", U, 2, 1, 1},            [0x42] = {"duration", U, 3, 1, 3},
    [0x43] = {"current", U, 2, 1, 3},             [0x44] = {"speed", U, 2, 1, 2},
    [0x45] = {"temperature", S, 2, 1, 1},         [0x46] = {"UV index", U, 1, 1, 1},
    [0x47] = {"volume", U, 2, 1, 1},              [0x48] = {"volume", U, 2, 1, 0},
    [0x49] = {"volume flow rate", U, 2, 1, 3},    [0x4a] = {"voltage", U, 2, 1, 1},
    [0x4b] = {"gas", U, 3, 1, 3},                 [0x4c] = {"gas", U, 4, 1, 3},
    [0x4d] = {"energy", U, 4, 1, 3},              [0x4e] = {"volume", U, 4, 1, 3},
    [0x4f] = {"water", U, 4, 1, 3},               [0x50] = {"timestamp", U, 4, 1, 0},
    [0x51] = {"acceleration", U, 2, 1, 3},        [0x52] = {"gyroscope", U, 2, 1, 3},
    [0x53] = {"text", TEXT, 1, 1, 0},             [0x54] = {"raw", RAW, 1, 1, 0},
    [0x55] = {"volume storage", U, 4, 1, 3},      [0x56] = {"conductivity", U, 2, 1, 0},
    [0x57] = {"temperature", S, 1, 1, 0},         [0x58] = {"temperature", S, 1, 35, 2},
    [0x59] = {"count", S, 1, 1, 0},               [0x5a] = {"count", S, 2, 1, 0},
    [0x5b] = {"count", S, 4, 1, 0},               [0x5c] = {"power", S, 4, 1, 2},
    [0x5d] = {"current", S, 2, 1, 3},             [0x5e] = {"direction", U, 2, 1, 2},
    [0x5f] = {"precipitation", U, 2, 1, 1},       [0x60] = {"channel", U, 1, 1, 0},
    [0x61] = {"rotational speed", U, 2, 1, 0},    [0x62] = {"speed (signed)", S, 4, 1, 6},
    [0x63] = {"acceleration (signed)", S, 4, 1, 6},        [0x64] = {"light level", U, 1, 1, 0},
    [0x65] = {"settings revision", U, 1, 1, 0},
    [0xf0] = {"device type id", U, 2, 1, 0},      [0xf1] = {"firmware version", VERSION, 4, 1, 0},
    [0xf2] = {"firmware version", VERSION, 3, 1, 0},
};
/* clang-format on */

/* One object: its row and its bytes. False at the end and at an id that is not assigned; a body that ends
 * within an object leaves `r->bad` set. */
static bool next_object(struct rd *r, uint8_t *ret_id, struct rd *ret_value)
{
    const struct object *o;
    size_t n;

    if (r->n == 0)
        return false;
    *ret_id = rd_u8(r);
    o = &objects[*ret_id];
    if (o->name == NULL)
        return false;
    n = o->size;
    if (o->shape == TEXT || o->shape == RAW)
        n = rd_u8(r);
    else if (o->shape == COMMAND) /* three reserved bits; the code is not counted */
        n = (rd_u8(r) & 31U) + 1;
    *ret_value = rd_sub(r, n);
    return !r->bad;
}

/* Walks the objects once, so that printing may take them as right. */
static enum refusal check_objects(struct frame_bthome *f)
{
    struct rd walk = f->objects, value;
    uint8_t id;

    while (next_object(&walk, &id, &value)) {
        if (objects[id].shape == BINARY && value.p[0] > 1)
            return REFUSAL_VALUE;
        if (objects[id].shape == TEXT && memchr(value.p, 0, value.n) != NULL)
            return REFUSAL_VALUE;
        if (id == OBJECT_PACKET_ID)
            f->packet_id = rd_u8(&value);
    }
    return walk.bad ? REFUSAL_LENGTH : REFUSAL_NONE;
}

enum refusal decode_bthome(struct rd body, struct frame *ret)
{
    struct frame_bthome f = {.packet_id = -1};
    enum refusal refused;

    if (rd_le16(&body) != UUID_BTHOME)
        return REFUSAL_NOT_MINE;
    f.info = rd_u8(&body);
    if (body.bad)
        return REFUSAL_LENGTH;
    if (f.info >> 5 != VERSION_2)
        return REFUSAL_VERSION;
    f.encrypted = (f.info & INFO_ENCRYPTED) != 0;
    if (f.encrypted && body.n < COUNTER_SIZE + TAG_SIZE)
        return REFUSAL_LENGTH;
    if (f.encrypted) {
        f.sealed = rd_sub(&body, body.n - COUNTER_SIZE - TAG_SIZE);
        f.counter = rd_le32(&body);
        f.tag = rd_sub(&body, TAG_SIZE);
    } else {
        f.objects = body;
    }
    refused = check_objects(&f);
    if (refused == REFUSAL_NONE)
        ret->u.bthome = f;
    return refused;
}

/* Nonce (bthome.io/encryption): address, most significant byte first | d2 fc | device information |
 * counter. There is no further authenticated data. */
enum refusal decode_bthome_open(struct frame_bthome *b, const uint8_t address[6],
                                const uint8_t key[16], uint8_t plain[DECODE_BTHOME_PLAIN])
{
    struct frame_bthome f = *b;
    uint8_t nonce[13];
    struct wr w = wr_init(nonce, sizeof(nonce));
    enum refusal refused;

    wr_reversed(&w, address, 6);
    wr_le(&w, UUID_BTHOME, 2);
    wr_u8(&w, b->info);
    wr_le(&w, b->counter, COUNTER_SIZE);
    if (noren_aes_ccm_open(key, nonce, NULL, 0, b->sealed.p, b->sealed.n, b->tag.p, plain) != 0)
        return REFUSAL_TAG;
    f.objects = rd_init(plain, b->sealed.n);
    f.opened = true;
    refused = check_objects(&f);
    if (refused == REFUSAL_NONE)
        *b = f;
    return refused;
}

/* Codes of the specification; one that it does not assign, and "none", are null. */
static void print_event(struct json *j, enum shape shape, uint8_t code)
{
    static const char *const button[] = {NULL,
                                         "press",
                                         "double_press",
                                         "triple_press",
                                         "long_press",
                                         "long_double_press",
                                         "long_triple_press"};
    static const char *const dimmer[] = {NULL, "rotate left", "rotate right"};
    static const char *const command[] = {"off", "on", "toggle", "step up", "step down"};
    const char *name = NULL;

    if (shape == COMMAND && code < sizeof(command) / sizeof(command[0]))
        name = command[code];
    if (shape == DIMMER && code < sizeof(dimmer) / sizeof(dimmer[0]))
        name = dimmer[code];
    if (shape == BUTTON && code < sizeof(button) / sizeof(button[0]))
        name = button[code];
    if (shape == BUTTON && code == 0x80)
        name = "hold_press";
    if (name != NULL)
        json_str(j, name);
    else
        json_nil(j);
}

static void print_value(struct json *j, const struct object *o, struct rd value)
{
    char text[256] = "";

    switch (o->shape) {
    case U:
        json_decimal(j, (int64_t)rd_le(&value, o->size) * o->multiplier, o->decimals);
        break;
    case S:
        assert(o->size > 0);
        json_decimal(j, rd_sign_extend(rd_le(&value, o->size), 8U * o->size) * o->multiplier,
                     o->decimals);
        break;
    case BINARY:
        json_bool(j, rd_u8(&value) != 0);
        break;
    case BUTTON:
        print_event(j, BUTTON, rd_u8(&value));
        break;
    case COMMAND:
        json_open(j, '{');
        json_key(j, "event");
        print_event(j, COMMAND, rd_u8(&value));
        json_key(j, "arguments");
        json_hex(j, value.p, value.n);
        json_close(j, '}');
        break;
    case DIMMER:
        json_open(j, '{');
        json_key(j, "event");
        print_event(j, DIMMER, rd_u8(&value));
        json_key_i64(j, "steps", rd_u8(&value));
        json_close(j, '}');
        break;
    case TEXT:
        rd_copy(&value, text, value.n);
        json_str(j, text);
        break;
    case RAW:
        json_hex(j, value.p, value.n);
        break;
    case VERSION:
        for (size_t i = value.n, n = 0; i > 0; i--)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%u", n > 0 ? "." : "",
                                  (unsigned)value.p[i - 1]);
        json_str(j, text);
        break;
    }
}

bool decode_bthome_temperature(const struct frame_bthome *b, int32_t *ret_mc)
{
    struct rd walk = b->objects, value;
    uint8_t id;

    while (next_object(&walk, &id, &value)) {
        const struct object *o = &objects[id];
        int64_t v = rd_sign_extend(rd_le(&value, o->size), 8U * o->size) * o->multiplier * 1000;

        if (strcmp(o->name, "temperature") != 0)
            continue;
        for (int i = 0; i < o->decimals; i++)
            v /= 10;
        *ret_mc = (int32_t)v;
        return true;
    }
    return false;
}

void print_bthome(const struct frame *f, struct json *j)
{
    const struct frame_bthome *b = &f->u.bthome;
    struct rd walk = b->objects, value;
    uint8_t id;

    json_key_i64(j, "version", VERSION_2);
    json_key_bool(j, "encrypted", b->encrypted);
    json_key(j, "packet_id");
    if (b->packet_id >= 0)
        json_i64(j, b->packet_id);
    else
        json_nil(j);
    json_key(j, "measurements");
    json_open(j, '[');
    while (next_object(&walk, &id, &value)) {
        if (id == OBJECT_PACKET_ID)
            continue;
        json_open(j, '{');
        json_key_str(j, "object", objects[id].name);
        json_key(j, "value");
        print_value(j, &objects[id], value);
        json_close(j, '}');
    }
    json_close(j, ']');
}
