/* SPDX-License-Identifier: MIT */
#include "app/screen.h"

#include "base/str.h"

#include <errno.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

/* Alternate screen, no cursor, lines end where the screen does, empty. */
#define ENTER "\033[?1049h\033[?25l\033[?7l\033[H\033[2J"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"

/* What signal handlers need; changed only while none of them can run into it. */
static struct {
    volatile sig_atomic_t is_entered;
    bool has_keys;
    int in, out;
    struct termios before;
} screen;

static const int crashes[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGQUIT, SIGHUP};
static struct sigaction actions_before[ARRAY_LEN(crashes)];

/* Async-signal-safe. Nothing can be done about a terminal that does not take it. */
static void say(const char *text, size_t n)
{
    while (n > 0) {
        ssize_t written = write(screen.out, text, n);

        if (written < 0 && errno != EINTR)
            return;
        if (written > 0) {
            text += written;
            n -= (size_t)written;
        }
    }
}

void screen_leave(void)
{
    int sys = errno;

    if (!screen.is_entered)
        return;
    screen.is_entered = 0;
    say(LEAVE, sizeof(LEAVE) - 1);
    if (screen.has_keys)
        tcsetattr(screen.in, TCSAFLUSH, &screen.before);
    errno = sys;
}

/* The handler of before has the last word: the default one, or that of a sanitizer. */
static void on_end(int signo)
{
    static const struct sigaction by_default = {.sa_handler = SIG_DFL};

    screen_leave();
    sigaction(signo, &by_default, NULL);
    for (size_t i = 0; i < ARRAY_LEN(crashes); i++)
        if (crashes[i] == signo)
            sigaction(signo, &actions_before[i], NULL);
    raise(signo);
}

static const struct sigaction end_action = {.sa_handler = on_end, .sa_flags = SA_NODEFER};

static void catch_crashes(void)
{
    static bool is_done;

    if (is_done)
        return;
    is_done = true;
    for (size_t i = 0; i < ARRAY_LEN(crashes); i++)
        sigaction(crashes[i], &end_action, &actions_before[i]);
}

void screen_die_by(int signo)
{
    sigaction(signo, &end_action, NULL);
}

int screen_enter(int in, int out, struct err *err)
{
    struct termios keys;

    screen.in = in;
    screen.out = out;
    screen.has_keys = isatty(in) == 1;
    if (screen.has_keys) {
        if (tcgetattr(in, &screen.before) != 0)
            return err_sys(err, ERR_IO, errno, "the terminal does not tell its settings");
        keys = screen.before;
        keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        keys.c_cc[VMIN] = 0;
        keys.c_cc[VTIME] = 0;
        if (tcsetattr(in, TCSAFLUSH, &keys) != 0)
            return err_sys(err, ERR_IO, errno, "the terminal does not take its settings");
    }
    catch_crashes();
    screen.is_entered = 1;
    say(ENTER, sizeof(ENTER) - 1);
    return 0;
}

/* Each line is emptied before it is written: behind a full one the cursor would take its last cell along. */
void screen_frame(const struct terminal *t, struct str lines, struct buf *out)
{
    struct str line;
    size_t n = 0;

    if (lines.n > 0 && lines.p[lines.n - 1] == '\n')
        lines.n--; /* it ends the last line, it does not begin one */
    buf_add_str(out, STR("\033[H"));
    while (lines.n > 0 && (t->height == 0 || n < t->height) && str_next(&lines, '\n', &line)) {
        buf_addf(out, "%s\033[K" STR_FMT, n > 0 ? "\r\n" : "", STR_ARG(line));
        n++;
    }
    buf_add_str(out, STR("\033[0m"));
    if (t->height == 0 || n < t->height)
        buf_add_str(out, STR("\r\n\033[J"));
}
