/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One chunk of a chat completion, or a whole completion: what of it means something to us. Most
 * chunks of a stream differ from the one before in one string alone, the text. So a template
 * keeps the bytes around the text of the last chunk that was parsed and held nothing else: where
 * they are the same, the new text lies between them and no JSON has to be parsed anew.
 */
#include "model/call_merge.h"
#include "model/provider_error.h"
#include "session/input.h"

struct openai_piece {
    int channel; /* enum delta_channel */
    struct str text;
    struct str raw; /* with its quotes, in the data; empty: was mended */
    struct openai_piece *next;
};

struct openai_chunk {
    struct openai_piece *pieces; /* in order, none empty */
    struct call_fragment *calls;
    size_t n_calls;
    bool finished; /* a finish reason was given */
    int stop;      /* enum stop_reason */
    bool has_usage;
    struct usage usage;
    bool is_error;
    struct provider_error error;
    bool has_choice; /* at least one choice was there, however empty */
    bool mended;     /* was no valid JSON because characters were cut; see json_mend.h */
    bool replaced;   /* and not all of them can be put together again */
};

/* ERR_BAD_REQUEST, ERR_TOO_BIG: no JSON object. Views into `data` and the arena. */
NODISCARD int openai_chunk_parse(struct arena *a, struct str data, struct openai_chunk *out, struct err *err);

struct openai_template {
    struct buf around; /* the bytes before the text, then those behind it, quotes included */
    size_t before;     /* bytes before; 0: nothing was learned */
    int channel;
    struct buf text; /* of the chunk at hand, where it had escapes */
};

void openai_template_done(struct openai_template *t); /* a zeroed one is empty */
void openai_template_learn(struct openai_template *t, struct str data, const struct openai_chunk *chunk);
/* True: the chunk says exactly this text, borrowed until the next call. It may hold broken UTF-8, as it was sent. */
bool openai_template_match(struct openai_template *t, struct str data, struct str *text);
