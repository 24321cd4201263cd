/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Every bound of the server in one table: X(name, value, what it bounds). None is infinite.
 * Those that operators may change are rows of the configuration too, with these as defaults.
 */
#define LIMITS(X)                                                                                                      \
    X(BODY_BYTES, 1024 * 1024, "JSON body of a request")                                                               \
    X(BODY_MESSAGE_BYTES, 25 * 1024 * 1024, "JSON body on chat and messages")                                          \
    X(BODY_INLINE_BYTES, 256 * 1024, "larger bodies are parsed off the loop")                                          \
    X(BODY_TOTAL_BYTES, 256 * 1024 * 1024, "all buffered bodies together; then 503 with Retry-After")                  \
    X(JSON_DEPTH, 64, "nesting of JSON")                                                                               \
    X(JSON_NODES, 100000, "values in one JSON text")                                                                   \
    X(HEADER_BYTES, 32 * 1024, "header block of a request")                                                            \
    X(URI_BYTES, 8 * 1024, "request target")                                                                           \
    X(CONNECTIONS, 18000, "connections in all")                                                                        \
    X(CONNECTIONS_PER_ADDRESS, 512, "connections of one address, loopback and the Unix socket excepted")               \
    X(HEADER_MS, 10 * 1000, "time to send the header block")                                                           \
    X(BODY_MS, 30 * 1000, "time to send a body, plus one second per 64 KiB")                                           \
    X(BODY_BYTES_PER_SECOND, 64 * 1024, "slowest accepted body")                                                       \
    X(IDLE_MS, 75 * 1000, "idle time of a connection between requests")                                                \
    X(HEARTBEAT_MS, 15 * 1000, "silence on an event stream before a heartbeat")                                        \
    X(STREAM_STUCK_MS, 60 * 1000, "an event stream that takes no byte for this long is closed")                        \
    X(LOG_LINES_PER_SECOND, 20, "lines of the log in a second about refused requests, and about failed ones")          \
    X(RING_EVENTS, 1000, "events a watcher may fall behind before it reads the log")                                   \
    X(ROUNDS, 200, "rounds of a run")                                                                                  \
    X(CALLS, 16 * 1000, "tool calls of a run")                                                                         \
    X(CALLS_PER_ROUND, 80, "tool calls in one answer of the model")                                                    \
    X(PARALLEL_TOOLS, 8, "tools of one session at work at once")                                                       \
    X(TOOL_MS, 10 * 60 * 1000, "deadline of a tool call")                                                              \
    X(CANCEL_MS, 2 * 1000, "a tool that does not obey a stop is given up after this")                                  \
    X(KEY_CHARS, 255, "characters of an Idempotency-Key")                                                              \
    X(RECEIPT_MS, 24 * 3600 * 1000, "the reply to a request is kept for repeats under its Idempotency-Key")            \
    X(RECEIPT_GONE_MS, 7 * 24 * 3600 * 1000, "after that the key is refused, before it is forgotten")                  \
    X(QUESTIONS, 8, "questions of one session open at once")                                                           \
    X(QUESTION_BYTES, 16 * 1024, "text of a question, and of each of its options")                                     \
    X(QUESTION_OPTIONS, 32, "options of a question")                                                                   \
    X(QUESTION_SECONDS, 7 * 24 * 3600, "longest deadline of a question")                                               \
    X(ANSWER_BYTES, 64 * 1024, "answer to a question")                                                                 \
    X(GUIDANCE_BYTES, 64 * 1024, "text of a message for a run that is at work")                                        \
    X(REPEATS, 3, "rounds in a row with the same calls and the same results")                                          \
    X(FRUITLESS, 8, "rounds in a row without a call that went well")                                                   \
    X(CLOSING_MS, 60 * 1000, "what a run whose time is up has left to end with; less if it had less")                  \
    X(INBOX_MESSAGES, 1000, "messages waiting to be admitted in one session")                                          \
    X(CONTEXT_TOKENS, 128 * 1000, "context window of a model nobody describes")                                        \
    X(OUTPUT_TOKENS, 8 * 1000, "longest answer of a model nobody describes")                                           \
    X(MODEL_TRIES, 6, "tries of one model call, first one included")                                                   \
    X(MODEL_RETRY_MS, 500, "first pause between tries; doubles")                                                       \
    X(MODEL_RETRY_MAX_MS, 30 * 1000, "longest pause between tries that the provider did not ask for")                  \
    X(MODEL_RETRY_AFTER_MAX_MS, 10 * 60 * 1000, "longest Retry-After that is waited for; above it the run ends")       \
    X(MODEL_HEADERS_MS, 120 * 1000, "time to the first byte of a provider's answer")                                   \
    X(MODEL_CONTENT_MS, 600 * 1000, "time to the first content of an answer")                                          \
    X(MODEL_IDLE_MS, 120 * 1000, "silence in mid-answer")                                                              \
    X(MODEL_LINE_BYTES, 8 * 1024 * 1024, "one line of a provider's stream")                                            \
    X(MODEL_ANSWER_BYTES, 16 * 1024 * 1024, "text and reasoning of one answer")                                        \
    X(PARTIAL_MS, 250, "text in flight is stored at most this often")                                                  \
    X(PAGE_FACTS, 512, "facts in one page of the log")                                                                 \
    X(PAGE_BYTES, 1024 * 1024, "bytes in one page of the log")                                                         \
    X(WATCHER_PAGE_BYTES, 64 * 1024, "memory of the page that a watcher who is behind has in hand")                    \
    X(STATE_MS, 1000, "the account feed tells the state of one session at most this often")                            \
    X(FEED_FACTS, 200 * 1000, "facts, of all sessions, that the account feed reaches back")                            \
    X(PAST_MS, 10 * 1000, "a look at a session as it was, from being asked for to the answer")                         \
    X(COPY_BYTES, 16 * 1024 * 1024, "stored bytes of the messages that a copied or forked session begins with")        \
    X(COPY_MESSAGES, 20 * 1000, "their number")                                                                        \
    X(HISTORY_MESSAGES, 2000, "messages in one history reply")                                                         \
    X(TIMER_MS, 24 * 3600 * 1000, "longest timer; what is due later is armed again")                                   \
    X(SHUTDOWN_MS, 2 * 1000, "from SIGTERM to exit")                                                                   \
    X(SUSPECT_TOOL_CRASHES, 2, "crashes in tool calls without progress that make a run a suspect")                     \
    X(GIVE_UP_TOOL_CRASHES, 3, "crashes after which the call is ended as unknown")                                     \
    X(SUSPECT_MODEL_CRASHES, 20, "crashes in model calls without progress that make a run a suspect")                  \
    X(GIVE_UP_MODEL_CRASHES, 23, "crashes after which the run ends as a crash loop")                                   \
    X(AUDIT_MS, 60 * 1000, "while runs are active, what is worked on is compared with what is stored this often")      \
    X(SUSPECT_MS, 2 * 1000, "pause between the recoveries of two suspects")                                            \
    X(RESET_MS, 100, "first pause before a session whose append was refused is loaded again; doubles")                 \
    X(RESET_MAX_MS, 5 * 1000, "longest such pause")

enum {
#define X(name, value, doc) LIMIT_##name = (value),
    LIMITS(X)
#undef X
};
