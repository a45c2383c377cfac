/* norenctl's subcommands: one file each, one row in main.c.
 *
 * A command gets its own arguments (argv[0] is its name) and returns a process exit status. `--help` and
 * unknown names are the dispatcher's work; a wrong option is the command's: ctl_usage() says so and returns
 * the status to end with.
 */
#ifndef NOREN_CTL_H
#define NOREN_CTL_H

/** Exit statuses. */
enum ctl_status {
    CTL_OK = 0,
    CTL_FAILED = 1, /**< understood, and could not be done */
    CTL_USAGE = 2,  /**< not understood */
};

/** One subcommand. */
struct ctl_command {
    const char *name;
    const char *synopsis; /**< its options and arguments */
    const char *summary;  /**< one line for the list of commands */
    const char *details;  /**< the rest of its --help */
    int (*run)(int argc, char **argv);
};

/** Prints "norenctl NAME: MESSAGE" and where help is to stderr; returns CTL_USAGE. */
int ctl_usage(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

int cmd_decode(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_tare(int argc, char **argv);
int cmd_recount(int argc, char **argv);
int cmd_stock(int argc, char **argv);
int cmd_count(int argc, char **argv);
int cmd_transfer(int argc, char **argv);
int cmd_return(int argc, char **argv);
int cmd_sale(int argc, char **argv);
int cmd_tasks(int argc, char **argv);
int cmd_claim(int argc, char **argv);
int cmd_enroll(int argc, char **argv);
int cmd_dead_letters(int argc, char **argv);
int cmd_backup(int argc, char **argv);
int cmd_locate(int argc, char **argv);
int cmd_calibrate(int argc, char **argv);
int cmd_checkin(int argc, char **argv);
int cmd_forget(int argc, char **argv);
int cmd_bundle(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_replay(int argc, char **argv);

#endif
