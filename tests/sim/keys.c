/* SPDX-License-Identifier: MIT */
/*
 * People who send a request under an Idempotency-Key and come again with it: at once, later, in another life of the
 * server, now and then with another request. I-IDEMP: whatever came in between, a request is done once, and whoever
 * is told something of it is told the same.
 */
#include "base/mem.h"
#include "base/str.h"
#include "sim.h"

#include <stdio.h>

#define FIRST_TOKEN (UINT64_C(1) << 40) /* above all of other people's */
#define KEYS 12                         /* of each session */
#define VARIANTS 2                      /* requests that were sent under one key: the right one, and a mistake */

struct key {
    bool sent[VARIANTS];
    bool told; /* what was said of it is known, in this incarnation of the session */
    unsigned variant;
    uint64_t incarnation;
    struct buf reply;
};

struct asked {
    unsigned session, key, variant;
    uint64_t incarnation;
    bool recall;
    char request[32];
};

struct keys {
    struct sim *w;
    struct map *asked;  /* by token */
    struct map *undone; /* messages whose senders were told that they were not taken */
    uint64_t next_token;
    struct key keys[SIM_SESSIONS][KEYS];
};

struct keys *keys_new(struct sim *w)
{
    struct keys *k = mem_zalloc(sizeof(*k));

    k->w = w;
    k->asked = map_new();
    k->undone = map_new();
    k->next_token = FIRST_TOKEN;
    return k;
}

/* Whoever waited for an answer never gets one. */
void keys_server_died(struct keys *k)
{
    size_t it = 0;
    void *value;

    while (map_next(k->asked, &it, NULL, &value))
        mem_free(value);
    map_free(k->asked);
    k->asked = map_new();
}

void keys_free(struct keys *k)
{
    keys_server_died(k);
    map_free(k->asked);
    map_free(k->undone);
    for (unsigned s = 0; s < SIM_SESSIONS; s++)
        for (unsigned i = 0; i < KEYS; i++)
            buf_done(&k->keys[s][i].reply);
    mem_free(k);
}

/* Each arrival brings its own. */
static void name_message(uint64_t token, char out[ID_TEXT])
{
    snprintf(out, ID_TEXT, "keyed-%" PRIu64, token);
}

/* ---- sending ---- */

static void submit(struct keys *k, unsigned session, unsigned key, unsigned variant)
{
    static const enum input_kind kinds[] = {INPUT_POST,   INPUT_POST,   INPUT_POST,
                                            INPUT_RESUME, INPUT_CANCEL, INPUT_CREATE};
    struct sim *w = k->w;
    struct asked *a = mem_zalloc(sizeof(*a));
    char name[32], text[32], message[ID_TEXT];
    struct input in = {.kind = kinds[(key + variant) % ARRAY_LEN(kinds)],
                       .session_id = sim_session_name(session),
                       .fingerprint = variant == 0 ? STR("right") : STR("mistake"),
                       .nonce = sim_random(w),
                       .model = STR("m"),
                       .provider = STR("p"),
                       .by = STR("user")};

    *a = (struct asked){.session = session,
                        .key = key,
                        .variant = variant,
                        .incarnation = disk_incarnation_seen(w->disk, in.session_id),
                        .recall = sim_chance(w, 10)};
    in.from.token = k->next_token++;
    sim_put_family(session, &in);
    snprintf(name, sizeof(name), "key-%u", key);
    snprintf(text, sizeof(text), "do thing %u of %u", variant, key);
    name_message(in.from.token, message);
    snprintf(a->request, sizeof(a->request), "request-%" PRIu64, in.from.token);
    in.key = str_of(name);
    in.request = str_of(a->request);
    in.recall = a->recall;
    if (in.kind == INPUT_POST) {
        in.text = str_of(text);
        in.message_id = str_of(message);
        in.execute = key % 2 == 0;
    }
    k->keys[session][key].sent[variant] |= !in.recall;
    map_put_u64(k->asked, in.from.token, a);
    sim_tell(w, "%s: %s of session %u, variant %u%s", a->request, name, session, variant,
             a->recall ? ", recalled" : "");
    engine_submit(w->engine, in.session_id, &in);
}

/* New ones come by and by. */
static unsigned pick_key(struct sim *w)
{
    uint64_t known = 1 + (uint64_t)w->now * KEYS / SIM_FAULTS_MS;

    return (unsigned)sim_below(w, known < KEYS ? known : KEYS);
}

static void act(struct sim *w, void *arg UNUSED, uint64_t a UNUSED)
{
    struct keys *k = w->keys;
    unsigned session = (unsigned)sim_below(w, SIM_SESSIONS);
    unsigned key = pick_key(w), times = sim_chance(w, 30) ? 2 + (unsigned)sim_below(w, 4) : 1;

    if (w->now < SIM_FAULTS_MS)
        sim_after(w, 1 + (int64_t)sim_below(w, 800), act, NULL, 0);
    for (; times > 0 && w->engine != NULL && !w->dead; times--)
        submit(k, session, sim_chance(w, 50) ? key : pick_key(w), sim_chance(w, 10));
}

void keys_start(struct keys *k)
{
    for (int i = 0; i < 2; i++)
        sim_after(k->w, (int64_t)sim_below(k->w, 1000), act, NULL, 0);
}

/* ---- what is said ---- */

static void check_same(struct sim *w, struct key *key, const struct asked *a, const struct reply *r)
{
    CLEANUP(buf_done) struct buf said = BUF_INIT;

    reply_write(r, r->replayed ? r->request : str_of(a->request), &said);
    if (!key->told) {
        key->told = true;
        key->variant = a->variant;
        key->incarnation = a->incarnation;
        buf_clear(&key->reply);
        buf_add_str(&key->reply, buf_str(&said));
    } else if (key->variant != a->variant || !str_eq(buf_str(&key->reply), buf_str(&said))) {
        sim_fail(w, "I-IDEMP", "session %u, key %u: variant %u was told %s, variant %u is told %s", a->session, a->key,
                 key->variant, key->reply.p, a->variant, said.p);
    }
}

/* Nothing was done, they say; and nothing will be. */
static void check_undone(struct sim *w, const struct asked *a, const struct reply *r)
{
    const struct session *s = disk_fold(w->disk, sim_session_name(a->session));
    char message[ID_TEXT];

    name_message(r->to.token, message);
    for (uint64_t seq = s == NULL ? 0 : s->seq; seq > 0; seq--)
        if (str_is(disk_fact(w->disk, sim_session_name(a->session), seq)->id, message))
            sim_fail(w, "I-ACK", "%s is stored, and its sender was told that it is not", message);
    map_put(w->keys->undone, str_of(message), w);
}

static void check_reply(struct sim *w, struct key *key, const struct asked *a, const struct reply *r)
{
    switch (r->kind) {
    case REPLY_UNAVAILABLE:
        check_undone(w, a, r);
        break;
    case REPLY_KEY_REUSED:
        if ((key->told && key->variant == a->variant) || !key->sent[1 - a->variant])
            sim_fail(w, "I-IDEMP", "session %u, key %u: the same request is taken for another", a->session, a->key);
        break;
    case REPLY_KEY_EXPIRED:
        if (!w->faults.clock) /* else a life may have begun years later */
            sim_fail(w, "I-IDEMP", "session %u, key %u: expired within a minute", a->session, a->key);
        break;
    case REPLY_NO_RECEIPT:
        if (!a->recall || key->told)
            sim_fail(w, "I-IDEMP", "session %u, key %u: its receipt is not found", a->session, a->key);
        break;
    default:
        if (reply_is_kept(r))
            check_same(w, key, a, r);
        break;
    }
}

bool keys_reply(struct keys *k, const struct reply *r)
{
    struct asked *a;
    struct key *key;
    uint64_t incarnation;

    if (r->to.token < FIRST_TOKEN)
        return false;
    a = map_take_u64(k->asked, r->to.token);
    if (a == NULL)
        sim_fail(k->w, "I-ACK", "a reply to nobody, or a second one");
    key = &k->keys[a->session][a->key];
    incarnation = disk_incarnation(k->w->disk, sim_session_name(a->session));
    sim_tell(k->w, "%s is answered%s, of life %" PRIu64 " of its session, now %" PRIu64, a->request,
             r->replayed ? " again" : "", a->incarnation, incarnation);
    key->told = key->told && key->incarnation == incarnation;
    if (a->incarnation == incarnation) /* else erased meanwhile: nothing can be said */
        check_reply(k->w, key, a, r);
    mem_free(a);
    return true;
}

/* A message is in the log once, however often it was sent. */
void keys_check_fact(struct sim *w, struct str session, const struct fact *f)
{
    if (f->kind != FACT_MESSAGE_POSTED || f->key.n == 0)
        return;
    if (map_find(w->keys->undone, f->id) != NULL)
        sim_fail(w, "I-ACK", STR_FMT " is stored after its sender was told that it is not", STR_ARG(f->id));
    for (uint64_t seq = 1; seq < f->seq; seq++)
        if (str_eq(disk_fact(w->disk, session, seq)->key, f->key))
            sim_fail(w, "I-IDEMP", "session " STR_FMT ": " STR_FMT " is done by fact %" PRIu64 " and fact %" PRIu64,
                     STR_ARG(session), STR_ARG(f->key), seq, f->seq);
}

void keys_check_end(struct keys *k)
{
    if (map_count(k->asked) > 0)
        sim_fail(k->w, "I-ACK", "%zu requests with a key were never answered", map_count(k->asked));
}
