/* Load for a broker, with as little of a client in between as there can be: frames go out as they lie in a file.
 *
 *     load produce    port=9092 frames=FILE [connections=1] [in_flight=1] [requests=N] [seconds=S]
 *     load consume    port=9092 frames=FILE offset_at=N until=OFFSET
 *     load poll       port=9092 frames=FILE seconds=S
 *     load end-to-end port=9092 frames=FILE fetch=FILE offset_at=N rate=RECORDS seconds=S
 *
 * A file has whole Produce (version 9) or Fetch (version 12) frames, one behind the other. What is set here before a
 * frame goes out is its correlation id, and in Fetch, at byte `offset_at`, the offset asked for.
 *
 * produce     Connections take the frames in turn, each with up to `in_flight` unanswered, until `requests` are sent or
 *             `seconds` are over, whichever comes first. Times are from the first byte sent to the last one received.
 * consume     One connection reads from offset 0 until `until`, which is the end of the partition.
 * poll        One connection sends the frame as it is, again and again.
 * end-to-end  The partition is empty. A record is due each 1/rate seconds, whatever became of those before. What is
 *             due goes out at once, alone or with others that became due meanwhile, with at most five requests
 *             unanswered: frame n (from 1) has n records. A second connection fetches. The time of a record is from
 *             when it was due (not sent: waiting counts) until it has come back. The first tenth does not count.
 *
 * Every answer's error code is looked at; one that is not 0, a closed connection, or 30 s in which nothing comes ends
 * this with code 1. One JSON object is written to stdout; times are in microseconds unless they say otherwise.
 * Linux only: epoll, timerfd. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { HEAD = 12, IN_FLIGHT_MAX = 64, SILENCE_MS = 30000, EVENTS = 256, ANSWER_MAX = 256 << 20 };
static const uint64_t SECOND = 1000000000;

static void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

static void *memory(void *old, size_t size) {
    void *got = realloc(old, size);
    if (!got)
        die("no memory");
    return got;
}

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

/* --- options: name=value ------------------------------------------------------------------------------------------ */

static char **options;

static const char *option(const char *name, const char *otherwise) {
    size_t length = strlen(name);
    for (char **each = options; *each; each++)
        if (!strncmp(*each, name, length) && (*each)[length] == '=')
            return *each + length + 1;
    if (!otherwise)
        die("%s= is missing", name);
    return otherwise;
}

static double number(const char *name, const char *otherwise) { return atof(option(name, otherwise)); }

/* --- how often a time was seen: exact below 128 ns, within 1 % above ---------------------------------------------- */

enum { SUB_BITS = 7, SUB = 1 << SUB_BITS };
static uint64_t seen[(64 - SUB_BITS + 1) * SUB], seen_count, seen_max;

static void add(uint64_t ns) {
    int shift = ns < SUB ? 0 : 63 - __builtin_clzll(ns) - SUB_BITS + 1;
    seen[(shift << SUB_BITS) + (int)(ns >> shift)]++;
    seen_count++;
    if (ns > seen_max)
        seen_max = ns;
}

static double percentile_us(double share) {
    uint64_t wanted = (uint64_t)(share * (double)seen_count), passed = 0;
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++)
        if ((passed += seen[i]) > wanted)
            return (double)((i & (SUB - 1)) << (i >> SUB_BITS)) / 1000;
    return (double)seen_max / 1000;
}

/* --- frames ------------------------------------------------------------------------------------------------------- */

struct frame { uint8_t *start; size_t size; };
struct frames { struct frame *each; size_t count; };

static uint32_t get32(const uint8_t *at) { uint32_t big; memcpy(&big, at, 4); return be32toh(big); }
static uint64_t get64(const uint8_t *at) { uint64_t big; memcpy(&big, at, 8); return be64toh(big); }
static void put64(uint8_t *at, uint64_t value) { value = htobe64(value); memcpy(at, &value, 8); }

static struct frames read_frames(const char *path) {
    struct stat about;
    int file = open(path, O_RDONLY);
    if (file < 0 || fstat(file, &about))
        die("%s: %s", path, strerror(errno));
    size_t size = (size_t)about.st_size;
    uint8_t *bytes = memory(NULL, size);
    for (size_t got = 0; got < size;) {
        ssize_t more = read(file, bytes + got, size - got);
        if (more <= 0)
            die("%s: cannot be read", path);
        got += (size_t)more;
    }
    close(file);
    struct frames all = {0};
    for (size_t at = 0; at < size; all.count++) {
        all.each = memory(all.each, (all.count + 1) * sizeof *all.each);
        all.each[all.count] = (struct frame){bytes + at, 4 + (size_t)get32(bytes + at)};
        at += all.each[all.count].size;
    }
    if (!all.count)
        die("%s has no frames", path);
    return all;
}

/* --- connections -------------------------------------------------------------------------------------------------- */

struct connection {
    int fd, number;
    uint8_t head[HEAD];
    struct frame out;
    size_t written;
    bool writing;
    uint8_t *in;
    size_t in_size, in_capacity;
    uint32_t sent, answered;
    uint64_t begun_ns[IN_FLIGHT_MAX];
};

static int poller;
static uint64_t bytes_out, bytes_in;

static void watch(int fd, void *with, int what, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = with};
    if (epoll_ctl(poller, what, fd, &event))
        die("epoll: %s", strerror(errno));
}

static void connect_to(struct connection *one, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    one->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (one->fd < 0 || connect(one->fd, (struct sockaddr *)&address, sizeof address))
        die("port %d: %s", port, strerror(errno));
    setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(one->fd, F_SETFL, O_NONBLOCK);
    watch(one->fd, one, EPOLL_CTL_ADD, EPOLLIN);
}

static uint32_t unanswered(const struct connection *one) { return one->sent - one->answered; }

static void flush(struct connection *one) {
    while (one->written < one->out.size) {
        struct iovec parts[2];
        int count = 0;
        if (one->written < HEAD)
            parts[count++] = (struct iovec){one->head + one->written, HEAD - one->written};
        size_t from = one->written < HEAD ? HEAD : one->written;
        parts[count++] = (struct iovec){one->out.start + from, one->out.size - from};
        ssize_t done = writev(one->fd, parts, count);
        if (done < 0 && errno == EAGAIN)
            break;
        if (done < 0)
            die("sending: %s", strerror(errno));
        one->written += (size_t)done;
        bytes_out += (uint64_t)done;
    }
    bool more = one->written < one->out.size;
    if (more != one->writing)
        watch(one->fd, one, EPOLL_CTL_MOD, more ? EPOLLIN | EPOLLOUT : EPOLLIN);
    one->writing = more;
}

static void begin(struct connection *one, struct frame frame) {
    uint32_t correlation = htobe32(one->sent);
    memcpy(one->head, frame.start, HEAD);
    memcpy(one->head + HEAD - 4, &correlation, 4);
    one->begun_ns[one->sent++ % IN_FLIGHT_MAX] = now_ns();
    one->out = frame;
    one->written = 0;
    flush(one);
}

/* Reads what has come and hands on each whole answer, without its size and correlation id. */
static void receive(struct connection *one, void (*answer)(struct connection *, const uint8_t *, size_t)) {
    size_t wanted = one->in_size < 4 ? 4 : 4 + (size_t)get32(one->in);
    if (wanted > ANSWER_MAX)
        die("an answer of %zu bytes", wanted);
    if (one->in_capacity < wanted + (64 << 10))
        one->in = memory(one->in, one->in_capacity = wanted + (64 << 10));
    ssize_t got = read(one->fd, one->in + one->in_size, one->in_capacity - one->in_size);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        die("the broker closed the connection");
    one->in_size += (size_t)got;
    bytes_in += (uint64_t)got;
    size_t at = 0;
    while (one->in_size - at >= 4 && one->in_size - at - 4 >= get32(one->in + at)) {
        size_t size = get32(one->in + at);
        if (size < 5 || get32(one->in + at + 4) != one->answered)
            die("an answer to another request");
        one->answered++;
        answer(one, one->in + at + 8, size - 4);
        at += 4 + size;
    }
    memmove(one->in, one->in + at, one->in_size -= at);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

struct cursor { const uint8_t *at, *end; };

static const uint8_t *take(struct cursor *cursor, size_t size) {
    if ((size_t)(cursor->end - cursor->at) < size)
        die("a malformed answer");
    cursor->at += size;
    return cursor->at - size;
}

static uint32_t varint(struct cursor *cursor) {
    uint32_t value = 0;
    for (int shift = 0; shift < 35; shift += 7) {
        uint8_t byte = *take(cursor, 1);
        value |= (uint32_t)(byte & 127) << shift;
        if (byte < 128)
            break;
    }
    return value;
}

/* Into the only partition of the only topic. Compact lengths are one more than what they count. */
static void enter_partition(struct cursor *cursor) {
    if (varint(cursor) != 2)
        die("an answer that is not about one topic");
    take(cursor, varint(cursor) - 1);
    if (varint(cursor) != 2)
        die("an answer that is not about one partition");
    take(cursor, 4);
}

static void check(struct cursor *cursor) {
    const uint8_t *at = take(cursor, 2);
    int error = (int16_t)(at[0] << 8 | at[1]);
    if (error)
        die("the broker answered with error code %d", error);
}

static void check_produced(const uint8_t *bytes, size_t size) {
    struct cursor cursor = {bytes, bytes + size};
    take(&cursor, 1);
    enter_partition(&cursor);
    check(&cursor);
}

/* The offset behind the last whole batch of a Fetch answer, or `offset` if it has none. */
static int64_t fetched(const uint8_t *bytes, size_t size, int64_t offset) {
    struct cursor cursor = {bytes, bytes + size};
    take(&cursor, 1 + 4);
    check(&cursor);
    take(&cursor, 4);
    enter_partition(&cursor);
    check(&cursor);
    take(&cursor, 8 + 8 + 8);
    uint32_t aborted = varint(&cursor);
    if (aborted > 1)
        die("aborted transactions, where there are none");
    take(&cursor, 4);
    uint32_t length = varint(&cursor);
    struct cursor records = {cursor.at, cursor.at};
    if (length > 1)
        records.end = take(&cursor, length - 1) + length - 1;
    while (records.end - records.at >= 61) {
        size_t batch = 12 + (size_t)get32(records.at + 8);
        if ((size_t)(records.end - records.at) < batch)
            break; /* cut at the limit of the request */
        offset = (int64_t)get64(records.at) + (int32_t)get32(records.at + 23) + 1;
        records.at += batch;
    }
    return offset;
}

/* --- what is measured --------------------------------------------------------------------------------------------- */

static struct frames frames, fetch;
static uint32_t in_flight_max;
static uint64_t requests, requests_max, done, begun, until_ns;
static size_t next_frame;

static bool going(void) { return requests < requests_max && now_ns() < until_ns; }

static void wait_for(int timeout_ms, void (*answer)(struct connection *, const uint8_t *, size_t), void (*due)(void)) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(poller, events, EVENTS, timeout_ms);
    if (count < 0 && errno != EINTR)
        die("epoll: %s", strerror(errno));
    if (count == 0)
        die("nothing came for %d ms", timeout_ms);
    for (int i = 0; i < count; i++) {
        struct connection *one = events[i].data.ptr;
        if (!one) {
            due();
            continue;
        }
        if (events[i].events & EPOLLOUT)
            flush(one);
        if (events[i].events & ~(uint32_t)EPOLLOUT)
            receive(one, answer);
    }
}

static void fill(struct connection *one) {
    while (!one->writing && unanswered(one) < in_flight_max && going()) {
        begin(one, frames.each[next_frame]);
        next_frame = (next_frame + 1) % frames.count;
        requests++;
    }
}

static void produced(struct connection *one, const uint8_t *bytes, size_t size) {
    check_produced(bytes, size);
    add(now_ns() - one->begun_ns[(one->answered - 1) % IN_FLIGHT_MAX]);
    done++;
}

static void produce(void) {
    int count = (int)number("connections", "1"), port = (int)number("port", NULL);
    in_flight_max = (uint32_t)number("in_flight", "1");
    if (in_flight_max < 1 || in_flight_max > IN_FLIGHT_MAX || count < 1)
        die("connections >= 1, 1 <= in_flight <= %d", IN_FLIGHT_MAX);
    struct connection *all = calloc((size_t)count, sizeof *all);
    for (int i = 0; i < count; i++)
        connect_to(&all[i], port);
    begun = now_ns();
    until_ns = begun + (uint64_t)(number("seconds", "3600") * (double)SECOND);
    for (int i = 0; i < count; i++)
        fill(&all[i]);
    while (done < requests || going()) {
        wait_for(SILENCE_MS, produced, NULL);
        for (int i = 0; i < count; i++)
            fill(&all[i]);
    }
}

static int64_t offset, offset_end;
static size_t offset_at;

static void ask(struct connection *one) {
    if (offset_at)
        put64(fetch.each[0].start + offset_at, (uint64_t)offset);
    begin(one, fetch.each[0]);
}

static void consumed(struct connection *one, const uint8_t *bytes, size_t size) {
    offset = fetched(bytes, size, offset);
    done++;
    if (offset < offset_end)
        ask(one);
}

static void consume(void) {
    struct connection one = {0};
    offset_at = (size_t)number("offset_at", NULL);
    offset_end = (int64_t)number("until", NULL);
    fetch = frames;
    connect_to(&one, (int)number("port", NULL));
    begun = now_ns();
    ask(&one);
    while (offset < offset_end)
        wait_for(SILENCE_MS, consumed, NULL);
}

static void polled(struct connection *one, const uint8_t *bytes, size_t size) {
    add(now_ns() - one->begun_ns[(one->answered - 1) % IN_FLIGHT_MAX]);
    if (fetched(bytes, size, -1) < 0)
        die("no record came");
    done++;
    if (going())
        ask(one);
}

static void poll_again(void) {
    struct connection one = {0};
    fetch = frames;
    connect_to(&one, (int)number("port", NULL));
    begun = now_ns();
    until_ns = begun + (uint64_t)(number("seconds", NULL) * (double)SECOND);
    ask(&one);
    while (unanswered(&one))
        wait_for(SILENCE_MS, polled, NULL);
}

static struct connection producer, consumer;
static double rate;
static uint64_t total, records_sent;
static int alarm_clock;

static uint64_t due_ns(uint64_t record) { return begun + (uint64_t)((double)record / rate * (double)SECOND); }

static void send_due(void) {
    while (records_sent < total && !producer.writing && unanswered(&producer) < 5) {
        uint64_t due = (uint64_t)((double)(now_ns() - begun) / (double)SECOND * rate) + 1;
        uint64_t count = (due > total ? total : due) - records_sent;
        if (due <= records_sent || !count)
            break;
        if (count > frames.count)
            count = frames.count;
        begin(&producer, frames.each[count - 1]);
        records_sent += count;
    }
    uint64_t next = due_ns(records_sent);
    struct itimerspec when = {.it_value = {(time_t)(next / SECOND), (long)(next % SECOND)}};
    if (records_sent < total && now_ns() < next)
        timerfd_settime(alarm_clock, TFD_TIMER_ABSTIME, &when, NULL);
}

static void alarmed(void) {
    uint64_t times;
    if (read(alarm_clock, &times, sizeof times) < 0 && errno != EAGAIN)
        die("timer: %s", strerror(errno));
}

static void came(struct connection *one, const uint8_t *bytes, size_t size) {
    if (one == &producer) {
        check_produced(bytes, size);
        done++;
        return;
    }
    uint64_t now = now_ns();
    int64_t next = fetched(bytes, size, offset);
    for (; offset < next; offset++)
        if ((uint64_t)offset >= total / 10)
            add(now - due_ns((uint64_t)offset));
    if (offset < offset_end)
        ask(one);
}

static void end_to_end(void) {
    int port = (int)number("port", NULL);
    rate = number("rate", NULL);
    total = (uint64_t)(rate * number("seconds", NULL));
    fetch = read_frames(option("fetch", NULL));
    offset_at = (size_t)number("offset_at", NULL);
    offset_end = (int64_t)total;
    connect_to(&producer, port);
    connect_to(&consumer, port);
    alarm_clock = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    watch(alarm_clock, NULL, EPOLL_CTL_ADD, EPOLLIN);
    ask(&consumer);
    begun = now_ns();
    send_due();
    while (offset < offset_end || unanswered(&producer)) {
        wait_for(SILENCE_MS, came, alarmed);
        send_due();
    }
    requests = producer.sent;
}

int main(int count, char **arguments) {
    if (count < 2)
        die("produce, consume, poll or end-to-end?");
    options = arguments + 2;
    poller = epoll_create1(0);
    requests_max = (uint64_t)number("requests", "1e18");
    frames = read_frames(option("frames", NULL));
    const char *what = arguments[1];
    void (*run)(void) = !strcmp(what, "produce") ? produce : !strcmp(what, "consume") ? consume
        : !strcmp(what, "poll") ? poll_again : !strcmp(what, "end-to-end") ? end_to_end : NULL;
    if (!run)
        die("produce, consume, poll or end-to-end? not %s", what);
    run();
    double seconds = (double)(now_ns() - begun) / (double)SECOND;
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("{\"seconds\": %.6f, \"requests\": %" PRIu64 ", \"bytes_out\": %" PRIu64 ", \"bytes_in\": %" PRIu64
           ", \"cpu_s\": %.6f, \"p50\": %.2f, \"p99\": %.2f, \"max\": %.2f}\n",
           seconds, done, bytes_out, bytes_in,
           (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec)
               + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6,
           percentile_us(0.5), percentile_us(0.99), (double)seen_max / 1000);
    return 0;
}
