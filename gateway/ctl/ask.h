/* Talking to a running gateway: options, one request, one answer. gateway.c; used by the commands that do. */
#ifndef NOREN_CTL_ASK_H
#define NOREN_CTL_ASK_H

#include <jansson.h>
#include <stdbool.h>

#include "ctl/ctl.h"
#include "io/config.h"

struct ctl_call {
    const char *command;
    const char *id;       /**< --id, NULL: a new one */
    const char *document; /**< --document, NULL: none */
    const char *seconds;  /**< --seconds, NULL: the gateway's usual */
    bool json, all;
    char socket[CONFIG_PATH_SIZE + 16];
};

/** Reads --json, --socket PATH, --config DIR, --id ID, --document DOC, --seconds N, --all. Returns CTL_OK with optind at
 * the arguments, or how to end. */
int ctl_read_options(struct ctl_call *c, int argc, char **argv);

/** The same for a command that takes `n` arguments: with another number it `wants` something. */
int ctl_begin(struct ctl_call *c, int argc, char **argv, int n, const char *wants);

/** Makes the request (taken over) and gives the answer, NULL after a message. */
json_t *ctl_ask(const struct ctl_call *c, const char *name, json_t *request);

/** The same for a command: prints a refusal, or `done`. */
int ctl_order(const struct ctl_call *c, const char *name, json_t *request, const char *done);

/** A number of pieces. CTL_OK, or how to end. */
int ctl_quantity(const struct ctl_call *c, const char *text, long long *ret);

/** One line for each light of an answer's "lights". */
void ctl_print_lights(const json_t *reply);

#endif
