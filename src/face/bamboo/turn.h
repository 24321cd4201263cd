/* SPDX-License-Identifier: MIT */
#pragma once
/* What chat, execute and the making of sessions have in common. */
#include "face/bamboo/requests.h"
#include "face/exchange.h"

/*
 * Provider, model and effort of the request, or the default's. They stay empty where it names none and there is no
 * default: the session may have one of its own. A name that means nothing is answered with 400, and false; one that
 * means nothing any more may have meant something when the same request came first: see exchange_refuse().
 */
bool turn_model(struct exchange *x, const struct model_wish *wish, struct input *in);
/* Workspace, system text and what is refused, for a session that may have to be made; as above. */
bool turn_session(struct exchange *x, const struct unsupported *u, struct str workspace, struct str system_prompt,
                  struct str enhance_prompt, struct input *in);
/*
 * The session id for a request that names none: random, but the same for the same Idempotency-Key; with `of_session`, a
 * key of requests about that session.
 */
struct str turn_session_id(struct exchange *x, struct str of_session);

struct str turn_events_url(struct exchange *x, struct str session_id);
/* What the request asks for, but no more than the server allows. */
struct run_limits turn_limits(const struct exchange *x, const struct budget_wish *wish);
/* True: absent (then empty) or an id, without blanks around it. Else answered with 400. `what` is the request. */
bool turn_id(struct exchange *x, const char *what, const char *name, struct str *id);
/* 409: another message of the session has the id that was chosen in the field `where`. */
void turn_say_taken(struct exchange *x, const char *where, struct str session_id, struct str message_id);
/* "sync": how the server's view differs from the client's. */
void turn_write_sync(struct json_writer *w, const struct reply *reply, bool is_running);
