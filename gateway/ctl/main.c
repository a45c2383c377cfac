/* norenctl: the operator's tool. A table of subcommands and the dispatcher over it. */
#include "ctl/ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CONNECTION_HELP                                                                 \
    "  --socket PATH  the gateway's control socket (default /run/noren/control.sock)\n" \
    "  --config DIR   take the socket from the run_dir of this configuration\n"         \
    "  --json         the answer as JSON\n"

#define ORDER_HELP                                                                      \
    "  --id ID        the command's id: sent again with the same one, it does nothing " \
    "more\n" CONNECTION_HELP
#define DOCUMENT_HELP "  --document D   the paper it is about; it stands in the event\n" ORDER_HELP

/* In the order in which the list prints them. */
static const struct ctl_command commands[] = {
    {"decode", "[--structures] [--key HEX] [FILE]", "what is in an advertisement, from hexadecimal",
     "Reads one advertisement a line (FILE, or standard input), as an HCI event or as its AD\n"
     "payload, in hexadecimal; white space is ignored. Prints one JSON object a line.\n\n"
     "  --structures  also print every AD structure\n"
     "  --key HEX     16-byte key that opens what a Noren shelf node or a BTHome sensor\n"
     "                sealed (BTHome: HCI events only, the address is needed)\n",
     cmd_decode},
    {"status", "[--json] [--socket PATH|--config DIR]", "how a running gateway is",
     "Prints identity, numbering, counters and what is wrong now, with the "
     "remedy.\n\n" CONNECTION_HELP,
     cmd_status},
    {"tare", "PLATE [--json] [--socket PATH|--config DIR]", "what lies on a plate now is its zero",
     "The plate is empty from now on: zero load and a count of nothing.\n\n" ORDER_HELP, cmd_tare},
    {"recount", "TARGET N [--json] [--socket PATH|--config DIR]",
     "tell the gateway what a person counted",
     "TARGET is a plate, or a GTIN of the planogram; N is how many pieces are "
     "there.\n\n" ORDER_HELP,
     cmd_recount},
    {"stock", "GTIN|--all [--json] [--socket PATH|--config DIR]", "what there is of a product",
     "Prints what can be promised (ATP), the balances behind it, and every facing with its\n"
     "sensor. A facing whose sensor is down is unknown; \"at least\" then says so. With --json "
     "one\n"
     "product a line.\n\n"
     "  --all          every product of the planogram\n" CONNECTION_HELP,
     cmd_stock},
    {"count", "GTIN N [--document D] [--json] [--socket PATH|--config DIR]",
     "how many a person counted in the backroom",
     "The backroom has N from now on. A shelf is counted with 'norenctl "
     "recount'.\n\n" DOCUMENT_HELP,
     cmd_count},
    {"transfer", "in|out GTIN N [--document D] [--json] [--socket PATH|--config DIR]",
     "goods come into the backroom, or leave it",
     "More than the backroom has cannot leave it.\n\n" DOCUMENT_HELP, cmd_transfer},
    {"return", "GTIN N [--document D] [--json] [--socket PATH|--config DIR]",
     "goods that customers gave back", "N pieces are in the backroom again.\n\n" DOCUMENT_HELP,
     cmd_return},
    {"sale", "FILE|- [--json] [--socket PATH|--config DIR]", "sales of a till, as JSON",
     "Reads one sale after the other:\n"
     "  {\"sale_id\":\"t1-4711\",\"lines\":[{\"gtin\":\"4901234567894\",\"quantity\":2}],\n"
     "   \"time\":\"2026-11-21T09:00:00+09:00\"}\n"
     "time may be absent: now. A sale_id that was told before does nothing. Goods that the\n"
     "planogram does not have are named in the answer and otherwise left "
     "alone.\n\n" CONNECTION_HELP,
     cmd_sale},
    {"tasks", "[--json] [--socket PATH|--config DIR]", "what is to be filled up",
     "Prints the open replenish tasks. One opens when a facing stays at its minimum or below and\n"
     "the backroom has some, and is done when the weight on the plate grew. With --json one task\n"
     "a line.\n\n" CONNECTION_HELP,
     cmd_tasks},
    {"claim", "TASK WHO [--json] [--socket PATH|--config DIR]", "say who does a task",
     "WHO is a name or number that the store knows; it stands in the events of the "
     "task.\n\n" ORDER_HELP,
     cmd_claim},
    {"locate", "GTIN|PLATE|PLATE/GTIN [--seconds N] [--json] [--socket PATH|--config DIR]",
     "blink the light where something stands",
     "Blinks the LED of the plate, or of every plate that the product stands on. Plates that "
     "share\n"
     "an LED take turns; asked again for the same plate, it blinks for longer. A plate names its\n"
     "LED as \"led\" in planogram.json, and board.conf says in a section [led NAME] which line it "
     "is.\n\n"
     "  --seconds N    how long, 1 to 600 (default 30)\n" ORDER_HELP,
     cmd_locate},
    {"enroll", "[--config DIR] [--install CERT|--renew [--now]] [--json]",
     "the board's key and certificate",
     "On a fresh board: makes the key that noren.conf names (mode 0600; it never leaves the board) "
     "and\n"
     "a request beside the certificate's place. Else says how long the certificate is good.\n\n"
     "  --install CERT  check a certificate and put it in place\n"
     "  --renew         from 60 % of the certificate's life on: a new key and a request; the old "
     "pair\n"
     "                  works on until the new certificate is installed\n"
     "  --now           with --renew: also before\n"
     "  --config DIR    folder of noren.conf (default /etc/noren)\n"
     "  --json          the answer as JSON\n",
     cmd_enroll},
    {"dead-letters", "[--json] [--config DIR]", "events that the broker refused for good",
     "Lists what stands in dead-letters.jsonl of the data folder: epoch and number, type, the\n"
     "broker's reason (MQTT 5, 2.4) and what it said, unless it was about a member. A gap took\n"
     "the number of each at headquarters. Look at the broker's ACL and limits first.\n\n"
     "  --config DIR  the gateway's configuration folder (default /etc/noren)\n"
     "  --json        the lines as they are\n",
     cmd_dead_letters},
    {"backup", "FILE [--json] [--socket PATH|--config DIR]", "a copy of the gateway's database",
     "Copies the database to FILE (mode 0600) while the gateway works; norend writes it, so FILE "
     "is in\n"
     "a folder that norend may write to. A plain copy of noren.db is no backup: it may be torn.\n"
     "To restore: stop norend, put FILE in place as noren.db without noren.db-wal, start. Events "
     "that\n"
     "headquarters lacks are sent from it, then a new epoch begins and an alert says "
     "so.\n\n" CONNECTION_HELP,
     cmd_backup},
    {"calibrate",
     "PLATE|CELL --mass G --check G [--operator NAME] [--yes] [--history] [--json] "
     "[--socket PATH|--config DIR]",
     "calibrate the load cells of a plate",
     "Walks through zero, a known mass and a check mass. A plate on several cells wants the known\n"
     "mass over each cell in turn. Bad points are refused with what to do about them. Meanwhile "
     "the\n"
     "plate is out of service: its facings are unknown, and weights are nobody's picks.\n\n"
     "  --mass G       the known mass in g: a fifth of what the cell carries, or more\n"
     "  --check G      another mass that has to read right\n"
     "  --operator N   who does it (default: $USER)\n"
     "  --yes          nobody presses Enter: a step is done when its weight came and rests\n"
     "  --history      the calibrations that are stored, and nothing else\n" CONNECTION_HELP,
     cmd_calibrate},
    {"checkin", "KIND ... [--json] [--socket PATH|--config DIR]",
     "evidence from elsewhere that a member is here",
     "  beacon MEMBER MINOR   the phone heard a beacon of this store, which said MINOR\n"
     "  qr TOKEN, nfc TOKEN   the code on the phone at the door: the member's token, 32 hex "
     "digits\n"
     "  pos MEMBER RECEIPT    shown at the till, with this receipt\n"
     "  line MEMBER EVENT     LINE told of it, in this webhook event\n"
     "Each is checked (a minor that was on air, a token of now, none older than a quarter of an "
     "hour)\n"
     "and counts once. Who did not agree to presence, or works here, is not told "
     "of.\n\n" ORDER_HELP,
     cmd_checkin},
    {"forget", "MEMBER [--json] [--socket PATH|--config DIR]", "leave no trace of a member here",
     "Removes the member from memory, database (also its free pages), what waits for "
     "headquarters,\n"
     "a running recording and what is at rest; headquarters is told by a digest, not by name.\n"
     "Recordings and backups made before are for you to remove.\n\n" ORDER_HELP,
     cmd_forget},
    {"bundle",
     "sign KIND FILE --key K --to T --revision N [--map F] | check FILE... [--key K] [--json]",
     "make and check what headquarters signs for gateways",
     "sign prints a signed bundle. KIND and FILE are planogram and a planogram.json (with its\n"
     "map.json as --map), campaigns and a campaigns.json, config and an object of mqtt {host,\n"
     "port, confirm_s} and storage {quota_mb, keep_mb, keep_h}, or keys and the PEM file of the\n"
     "key that signs from now on. It goes to desired/KIND, retained. What a gateway would\n"
     "refuse is not signed.\n"
     "check says file, place and remedy; campaigns beside a planogram are checked against it.\n\n"
     "  --key K        Ed25519 key in PEM: sign wants the private one, check either half\n"
     "  --to T         tenant, tenant/store or tenant/store/gateway\n"
     "  --revision N   later than the last one of this kind\n"
     "  --map F        the map that belongs to the planogram\n"
     "  --json         the result as JSON, one object a line\n",
     cmd_bundle},
    {"events", "[--json]", "the events that a gateway sends, and their fields",
     "Prints the event table.\n\n"
     "  --json  an array of objects: type, class, label, fields\n",
     cmd_events},
    {"replay",
     "INPUT... [--config DIR] [--map F] [--planogram F] [--members F] [--start TIME] [--json]",
     "recordings, captures and tables through the real core",
     "Inputs are recognised by content: recordings of norend, btsnoop, pcap and pcapng captures,\n"
     "HCI events in hex (one a line, 10 ms apart), and CSV with the columns\n"
     "t_us,receiver,identity,rssi_dbm or t_us,plate,mass_mg or t_us,cell,counts; - is standard\n"
     "input. They are merged by time. Events go to standard output as CloudEvents, one a line;\n"
     "what was refused, and a summary, to standard error.\n"
     "Without a map every receiver is a zone of its own; without a planogram plates have no\n"
     "products; without a members file every identity in a CSV is a consenting member.\n"
     "Timers run on for one second after the last input.\n\n"
     "  --config DIR   map.json, planogram.json, campaigns.json and members.json of this folder\n"
     "  --map F        receivers and zones; wins over --config\n"
     "  --planogram F  plates, cells and products\n"
     "  --members F    members with consent and day keys\n"
     "  --start TIME   wall time of t_us 0, like 2026-11-21T09:00:00Z; else the captures' stamps\n"
     "  --json         the summary as one JSON object\n",
     cmd_replay},
};

#define COMMANDS_N (sizeof(commands) / sizeof(commands[0]))

static void print_commands(FILE *to)
{
    fputs("usage: norenctl COMMAND [ARGUMENT...]\n\ncommands:\n", to);
    for (size_t i = 0; i < COMMANDS_N; i++)
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fputs("\n'norenctl COMMAND --help' says more about one.\n", to);
}

int ctl_usage(const char *name, const char *format, ...)
{
    va_list ap;

    fprintf(stderr, "norenctl %s: ", name);
    va_start(ap, format);
    /* clang-tidy 14 forgets va_start() when it reads several files in one run */
    vfprintf(stderr, format, ap); /* NOLINT(clang-analyzer-valist.Uninitialized) */
    va_end(ap);
    fprintf(stderr, "; see 'norenctl %s --help'\n", name);
    return CTL_USAGE;
}

static int run(const struct ctl_command *c, int argc, char **argv)
{
    int status;

    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            printf("usage: norenctl %s %s\n\n%s\n", c->name, c->synopsis, c->details);
            return CTL_OK;
        }
    }
    status = c->run(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout)) { /* a full disk must not look like success */
        fprintf(stderr, "norenctl %s: cannot write the output: %s\n", c->name, strerror(errno));
        return CTL_FAILED;
    }
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_commands(stderr);
        return CTL_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_commands(stdout);
        return CTL_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("norenctl " NOREN_VERSION);
        return CTL_OK;
    }
    for (size_t i = 0; i < COMMANDS_N; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return run(&commands[i], argc - 1, argv + 1);
    fprintf(stderr, "norenctl: no command '%s'; 'norenctl --help' lists them\n", argv[1]);
    return CTL_USAGE;
}
