/* Freezes one thread of a process, for the watchdog test: no signal can, a debugger can.
 *
 * usage: freeze PID NAME     stops the thread with that name, says "frozen", and thaws it on SIGTERM
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t find_thread(const char *pid, const char *name)
{
    char path[64], comm[32];
    struct dirent *e;
    pid_t found = 0;
    DIR *d;

    snprintf(path, sizeof(path), "/proc/%s/task", pid);
    d = opendir(path);
    while (d != NULL && found == 0 && (e = readdir(d)) != NULL) {
        char file[400];
        FILE *f;

        snprintf(file, sizeof(file), "%s/%s/comm", path, e->d_name);
        f = fopen(file, "r");
        if (f == NULL)
            continue;
        if (fgets(comm, sizeof(comm), f) != NULL && strcspn(comm, "\n") == strlen(name) &&
            strncmp(comm, name, strlen(name)) == 0)
            found = (pid_t)strtol(e->d_name, NULL, 10);
        fclose(f);
    }
    if (d != NULL)
        closedir(d);
    return found;
}

int main(int argc, char **argv)
{
    sigset_t end;
    pid_t tid;
    int sig;

    if (argc != 3)
        return 2;
    tid = find_thread(argv[1], argv[2]);
    if (tid == 0 || ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0 ||
        ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) != 0 || waitpid(tid, NULL, __WALL) != tid) {
        perror("freeze");
        return 77;
    }
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    sigprocmask(SIG_BLOCK, &end, NULL);
    puts("frozen");
    fflush(stdout);
    sigwait(&end, &sig);
    ptrace(PTRACE_DETACH, tid, NULL, NULL);
    return 0;
}
