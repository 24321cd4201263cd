/* SPDX-License-Identifier: MIT */
/*
 * A whole server meets the k-th failure of a kind, for k = 0, 1, 2, … until none is met: whatever
 * fails, it never dies of it (but for memory of our own, where it ends at once), what it said is
 * done stays done, and the next life goes on from there. Each life is a process of its own.
 * Usage: test_faults KIND ERRNO once|on [STEP [FIRST]]: STEP says how fast k grows (1/STEP of itself; 0: by one) from
 * FIRST on.
 */
#include "base/fault.h"
#include "base/str.h"
#include "life.h"
#include "temporary.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { REFUSED_TO_START = 3, LIFE_SECONDS = 60 };

/* What the client of a life was told, in memory that outlives it. */
enum told { CREATED, POSTED, ANSWERED, RENAMED, OTHER_POSTED, OTHER_DELETED, HANGING, STOPPED, AFTERWARDS, TOLD_COUNT };
struct notes {
    bool told[TOLD_COUNT];
    bool met;
    uint64_t seen;
    char refusal[sizeof(((struct err *)NULL)->text)];
};

struct fault {
    const char *kind;
    int sys;
    bool lasting;
    uint64_t divisor;
};
static struct fault fault;
static uint64_t first;
static struct notes *notes;
static char *dir;

/* ---- one life ---- */

static void tell(enum told what, int status)
{
    notes->told[what] = status >= 200 && status < 300;
}

/* Under a key: may be sent again. */
static int post_first(struct life *l)
{
    l->header = "Idempotency-Key: first";
    return life_call(l, "POST", "/api/v1/chat",
                     "{\"session_id\":\"a\",\"execute\":true,\"message\":\"first words\\n"
                     "#!culm {\\\"say\\\":\\\"first answer\\\"}\"}",
                     NULL);
}

static void work(struct life *l)
{
    tell(CREATED, life_call(l, "POST", "/api/v1/chat", "{\"session_id\":\"a\",\"message\":\"no hurry\"}", NULL));
    tell(POSTED, post_first(l));
    notes->told[ANSWERED] = life_wait_idle(l, "a") && notes->told[POSTED];
    tell(RENAMED, life_call(l, "PATCH", "/api/v1/sessions/a", "{\"title\":\"After\"}", NULL));
    life_call(l, "GET", "/api/v1/sessions?limit=10", NULL, NULL);
    life_call(l, "GET", "/api/v1/sessions/a/facts?after=0", NULL, NULL);
    tell(OTHER_POSTED, life_call(l, "POST", "/api/v1/chat", "{\"session_id\":\"b\",\"message\":\"other\"}", NULL));
    if (notes->told[OTHER_POSTED])
        tell(OTHER_DELETED, life_call(l, "DELETE", "/api/v1/sessions/b", NULL, NULL));
    tell(HANGING,
         life_call(l, "POST", "/api/v1/chat",
                   "{\"session_id\":\"c\",\"execute\":true,\"message\":\"#!culm {\\\"hang\\\":\\\"content\\\"}\"}",
                   NULL));
    l->header = "Idempotency-Key: stop";
    if (notes->told[HANGING])
        tell(STOPPED, life_call(l, "POST", "/api/v1/stop/c", "{}", NULL));
}

static void live(uint64_t k)
{
    struct life l;
    struct err err = {0};
    bool began;

    alarm(LIFE_SECONDS);
    fault_arm(fault.kind, k, fault.sys, fault.lasting);
    began = life_begin(&l, dir, &err);
    l.wait_ms = fault.lasting ? 200 : l.wait_ms; /* for what never comes */
    if (began)
        work(&l);
    else
        str_copy(notes->refusal, sizeof(notes->refusal), str_of(err.text));
    notes->seen = fault_seen();
    if (began && !fault.lasting) {
        notes->met = fault_disarm();
        tell(AFTERWARDS, life_call(&l, "POST", "/api/v1/chat", "{\"session_id\":\"d\",\"message\":\"later\"}", NULL));
    }
    life_end(&l);
    notes->met = fault_disarm() || notes->met;
    _exit(began ? 0 : REFUSED_TO_START);
}

/* ---- the next life ---- */

static int count_in_log(struct life *l, const char *session, const char *text)
{
    CLEANUP(buf_done) struct buf reply = BUF_INIT;
    struct str rest;
    char path[128];
    ptrdiff_t at;
    int n = 0;

    snprintf(path, sizeof(path), "/api/v1/sessions/%s/facts?after=0", session);
    if (life_call(l, "GET", path, NULL, &reply) != 200)
        return 0;
    for (rest = buf_str(&reply); (at = str_find(rest, str_of(text))) >= 0; n++)
        rest = str_skip(rest, (size_t)at + 1);
    return n;
}

static bool log_has(struct life *l, const char *session, const char *text)
{
    return count_in_log(l, session, text) > 0;
}

static bool session_has(struct life *l, const char *session, const char *text)
{
    CLEANUP(buf_done) struct buf reply = BUF_INIT;
    char path[128];

    snprintf(path, sizeof(path), "/api/v1/sessions/%s", session);
    return life_call(l, "GET", path, NULL, &reply) == 200 && str_find(buf_str(&reply), str_of(text)) >= 0;
}

/* The first promise that was broken, or NULL. */
static const char *broken_promise(struct life *l)
{
    const bool *told = notes->told;

    if (told[CREATED] && !log_has(l, "a", "no hurry"))
        return "a message that was accepted is gone";
    if (told[POSTED] && !log_has(l, "a", "first words"))
        return "a message that was accepted is gone";
    if (told[POSTED] && (!life_wait_idle(l, "a") || !log_has(l, "a", "first answer")))
        return "a run that was accepted did not come to its end";
    if (told[RENAMED] && !session_has(l, "a", "\"title\":\"After\""))
        return "a title that was set is gone";
    if (told[OTHER_POSTED] && !told[OTHER_DELETED] && !log_has(l, "b", "other") && session_has(l, "b", "\"id\""))
        return "a message that was accepted is gone from a session that is there";
    if (told[OTHER_DELETED] && life_call(l, "GET", "/api/v1/sessions/b", NULL, NULL) != 404)
        return "a session that was deleted is there";
    if (told[STOPPED] && (!life_wait_idle(l, "c") || !session_has(l, "c", "\"last_run_status\":\"cancelled\"")))
        return "a run that was stopped goes on";
    if (told[AFTERWARDS] && !log_has(l, "d", "later"))
        return "a message that was accepted after the failure is gone";
    if (post_first(l) != 201 || count_in_log(l, "a", "first words") != 1)
        return "what was sent again under its key is not done once";
    if (life_call(l, "POST", "/api/v1/chat", "{\"session_id\":\"e\",\"message\":\"new\"}", NULL) != 201)
        return "the next life accepts nothing";
    return NULL;
}

static void verify(void)
{
    const char *broken;
    struct life l;
    struct err err;

    alarm(LIFE_SECONDS);
    if (!life_begin(&l, dir, &err)) {
        fprintf(stderr, "the next life does not start: %s\n", err.text);
        _exit(1);
    }
    broken = broken_promise(&l);
    if (broken != NULL)
        fprintf(stderr, "%s\n", broken);
    life_end(&l);
    _exit(broken == NULL ? 0 : 1);
}

/* ---- all of them ---- */

static int in_process(void (*run)(uint64_t), uint64_t k)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL); /* cmocka would make an exit of it */
        run(k);
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    return status;
}

static void run_verify(uint64_t k)
{
    (void)k;
    verify();
}

static bool ended_well(int status)
{
    bool memory = strcmp(fault.kind, "alloc") == 0 || strcmp(fault.kind, "library") == 0;

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return notes->met || notes->told[STOPPED]; /* nothing failed: all went well */
    if (WIFEXITED(status) && WEXITSTATUS(status) == REFUSED_TO_START)
        return notes->refusal[0] != '\0';
    return memory && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void clear(void)
{
    static const char *const names[] = {"culm.db",   "culm.db-wal", "culm.db-shm",
                                        "culm.lock", "culm.sock",   "server.json"};
    char path[600];

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        unlink(path);
    }
    memset(notes, 0, sizeof(*notes));
}

static void whatever_fails_no_promise_is_broken(void **state UNUSED)
{
    uint64_t lives = 0, refused = 0, k = first;

    for (;; k += 1 + (fault.divisor == 0 ? 0 : k / fault.divisor)) {
        int status;

        clear();
        status = in_process(live, k);
        lives++;
        refused += WIFEXITED(status) && WEXITSTATUS(status) == REFUSED_TO_START;
        if (!ended_well(status))
            fail_msg("%s %" PRIu64 " (errno %d%s): the life ended with wait status %#x, %s", fault.kind, k, fault.sys,
                     fault.lasting ? ", lasting" : "", (unsigned)status, notes->refusal);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && !notes->met)
            break;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && !fault.lasting && !notes->told[AFTERWARDS])
            fail_msg("%s %" PRIu64 ": nothing was accepted after the failure had passed", fault.kind, k);
        status = in_process(run_verify, k);
        if (status != 0)
            fail_msg("%s %" PRIu64 " (errno %d%s): the next life found it wrong", fault.kind, k, fault.sys,
                     fault.lasting ? ", lasting" : "");
    }
    print_message("%s: %" PRIu64 " lives with a failure among the first %" PRIu64 " steps, %" PRIu64
                  " refused to start\n",
                  fault.kind, lives - 1, k, refused);
    assert_true(lives > 1); /* else there is no such step, and nothing was tested */
}

int main(int argc, char **argv)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(whatever_fails_no_promise_is_broken),
    };
    int rc;

    fault = (struct fault){"fsync", EIO, false, 0};
    if (argc > 3)
        fault = (struct fault){argv[1], (int)strtol(argv[2], NULL, 10), strcmp(argv[3], "on") == 0,
                               argc > 4 ? strtoull(argv[4], NULL, 10) : 0};
    first = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;
    notes = mmap(NULL, sizeof(*notes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    dir = mkdtemp((char[]){"/dev/shm/culm-faults-XXXXXX"});
    if (notes == MAP_FAILED || dir == NULL)
        return 1;
    rc = cmocka_run_group_tests(cases, NULL, NULL);
    clear();
    rmdir(dir);
    return rc;
}
