/* Unary gRPC calls from many callers at once, each a different one where that is wanted.
 *
 *   grpc_load HOST PORT PATH BODY CALLERS STREAMS SECONDS KEY_AT BUYER_AT PRODUCT_AT PRODUCTS TIMEOUT [AUTHORIZATION]
 *
 * BODY is a file with one message as gRPC frames it. At KEY_AT stand 16 bytes that become a number of their own in every
 * call, in digits; at BUYER_AT four bytes that become a user id, as a varint; at PRODUCT_AT one byte, the first of
 * PRODUCTS goods ids below 128 that take turns, which each call names in x-goods-id, too; -1: no such thing. TIMEOUT is
 * the value of grpc-timeout, or "-". CALLERS are spread over connections with STREAMS each. Prints "seconds", then
 * "status N count" for every grpc-status (-1: none came), "second N count" for the calls that succeeded in each second,
 * and "p50" and "p99" of the answers, in milliseconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STATUSES 18 /* 0 to 16 as gRPC numbers them; the last one: none came */
#define LATENCIES 60000 /* in tenths of a millisecond, up to six seconds */
#define MOST_SECONDS 3600

struct connection {
    int fd, open;
    nghttp2_session *session;
};

struct call {
    double begun;
    int status;
    size_t sent;
    unsigned char *body;
};

static const char *path, *authority, *authorization, *timeout;
static unsigned char *template;
static size_t template_size;
static long key_at, buyer_at, product_at, products;
static char product[4]; /* of the next call, in digits */
static long long number, counts[STATUSES], latencies[LATENCIES], succeeded[MOST_SECONDS];
static double begun;
static int streams, over, still_open;
static nghttp2_nv headers[8];
static size_t header_count;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

/* What this call asks for: the message, with a key and a buyer of its own. */
static unsigned char *next_body(void)
{
    unsigned char *body = malloc(template_size);
    char digits[24];
    memcpy(body, template, template_size);
    number++;
    if (key_at >= 0) {
        snprintf(digits, sizeof digits, "%016lld", number);
        memcpy(body + key_at, digits, 16);
    }
    if (buyer_at >= 0) {
        uint32_t user = (1u << 21) + number % ((1u << 28) - (1u << 21)); /* those that take four bytes */
        for (int i = 0; i < 4; i++)
            body[buyer_at + i] = (user >> (7 * i) & 0x7f) | (i < 3 ? 0x80 : 0);
    }
    if (product_at >= 0) {
        body[product_at] += number % products;
        snprintf(product, sizeof product, "%d", body[product_at]);
        headers[header_count - 1].valuelen = strlen(product);
    }
    return body;
}

static ssize_t read_body(nghttp2_session *session, int32_t stream_id, uint8_t *buffer, size_t length, uint32_t *flags,
                         nghttp2_data_source *source, void *user)
{
    struct call *call = source->ptr;
    size_t left = template_size - call->sent, size = left < length ? left : length;
    memcpy(buffer, call->body + call->sent, size);
    call->sent += size;
    if (call->sent == template_size)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return size;
}

static void add(const char *name, const char *value)
{
    nghttp2_nv header = {(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE};
    headers[header_count++] = header;
}

static void make_headers(void)
{
    add(":method", "POST");
    add(":scheme", "http");
    add(":path", path);
    add(":authority", authority);
    add("content-type", "application/grpc");
    add("te", "trailers");
    if (*authorization)
        add("authorization", authorization);
    if (*timeout != '-')
        add("grpc-timeout", timeout);
    if (product_at >= 0)
        add("x-goods-id", product); /* the last one: its value changes */
}

static void submit(struct connection *connection)
{
    struct call *call = calloc(1, sizeof *call);
    nghttp2_data_provider body = {.source.ptr = call, .read_callback = read_body};
    call->begun = now();
    call->status = STATUSES - 1;
    call->body = next_body();
    if (nghttp2_submit_request(connection->session, NULL, headers, header_count, &body, call) < 0)
        die("submit");
    connection->open++;
    still_open++;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
                     const uint8_t *value, size_t value_length, uint8_t flags, void *user)
{
    struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (call && name_length == 11 && !memcmp(name, "grpc-status", 11)) {
        int status = atoi((const char *)value);
        call->status = status >= 0 && status < STATUSES - 1 ? status : STATUSES - 1;
    }
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream_id, uint32_t error, void *user)
{
    struct connection *connection = user;
    struct call *call = nghttp2_session_get_stream_user_data(session, stream_id);
    long tenths = (now() - call->begun) * 10000;
    if (!over) { /* what is answered later belongs to no second of ours */
        counts[call->status]++;
        latencies[tenths < LATENCIES ? tenths : LATENCIES - 1]++;
        if (!call->status && now() - begun < MOST_SECONDS)
            succeeded[(int)(now() - begun)]++;
    }
    free(call->body);
    free(call);
    connection->open--;
    still_open--;
    if (!over)
        submit(connection);
    return 0;
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *data, size_t length, int flags, void *user)
{
    struct connection *connection = user;
    ssize_t sent = send(connection->fd, data, length, MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN ? NGHTTP2_ERR_WOULDBLOCK : NGHTTP2_ERR_CALLBACK_FAILURE;
    return sent;
}

static void open_connection(struct connection *connection, const char *host, int port, nghttp2_session_callbacks *calls)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1;
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000},
                                         {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20}};
    inet_pton(AF_INET, host, &address.sin_addr);
    connection->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection->fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("connect");
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    nghttp2_session_client_new(&connection->session, calls, connection);
    nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0, 1 << 24);
}

/* Reads what there is. Returns 0 when the server has gone. */
static int receive(struct connection *connection)
{
    static uint8_t buffer[1 << 16];
    for (;;) {
        ssize_t got = recv(connection->fd, buffer, sizeof buffer, 0);
        if (got < 0)
            return errno == EAGAIN;
        if (!got || nghttp2_session_mem_recv(connection->session, buffer, got) < 0)
            return 0;
    }
}

static double percentile(double share)
{
    long long total = 0, seen = 0;
    for (int i = 0; i < LATENCIES; i++)
        total += latencies[i];
    for (int i = 0; i < LATENCIES; i++)
        if ((seen += latencies[i]) >= total * share && total)
            return (i + 0.5) / 10;
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 13) {
        fprintf(stderr, "usage: see the head of grpc_load.c\n");
        return 2;
    }
    const char *host = argv[1];
    int port = atoi(argv[2]), callers = atoi(argv[5]), seconds = atoi(argv[7]);
    char named[128];
    FILE *file = fopen(argv[4], "rb");
    if (!file)
        die(argv[4]);
    template = malloc(1 << 20);
    template_size = fread(template, 1, 1 << 20, file);
    path = argv[3];
    streams = atoi(argv[6]);
    key_at = atol(argv[8]);
    buyer_at = atol(argv[9]);
    product_at = atol(argv[10]);
    products = atol(argv[11]);
    timeout = argv[12];
    authorization = argc > 13 ? argv[13] : "";
    snprintf(named, sizeof named, "%s:%d", host, port);
    authority = named;
    make_headers();
    number = (long long)getpid() * 1000000000LL % 1000000000000000LL;

    nghttp2_session_callbacks *calls;
    nghttp2_session_callbacks_new(&calls);
    nghttp2_session_callbacks_set_send_callback(calls, on_send);
    nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_close);

    int size = (callers + streams - 1) / streams, poll = epoll_create1(0);
    struct connection *all = calloc(size, sizeof *all);
    begun = now();
    double deadline = begun + seconds;
    for (int i = 0; i < size; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        open_connection(&all[i], host, port, calls);
        epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &event);
        for (int n = i * streams; n < (i + 1) * streams && n < callers; n++)
            submit(&all[i]);
        if (nghttp2_session_send(all[i].session) < 0)
            die("send");
    }
    double took = 0;
    while (still_open && now() < deadline + 15) {
        struct epoll_event events[64];
        int ready = epoll_wait(poll, events, 64, 50);
        if (!over && now() >= deadline)
            over = 1, took = now() - begun;
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            if (!receive(connection)) {
                fprintf(stderr, "the server closed a connection\n");
                return 1;
            }
        }
        for (int i = 0; i < size; i++) {
            struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
            if (nghttp2_session_want_write(all[i].session) && nghttp2_session_send(all[i].session) < 0)
                die("send");
            if (nghttp2_session_want_write(all[i].session))
                event.events |= EPOLLOUT;
            epoll_ctl(poll, EPOLL_CTL_MOD, all[i].fd, &event);
        }
    }
    printf("seconds %.3f\n", took);
    for (int i = 0; i < STATUSES; i++)
        if (counts[i])
            printf("status %d %lld\n", i == STATUSES - 1 ? -1 : i, counts[i]);
    for (int i = 0; i < seconds && i < MOST_SECONDS; i++)
        printf("second %d %lld\n", i, succeeded[i]);
    printf("p50 %.2f\np99 %.2f\n", percentile(0.5), percentile(0.99));
    return 0;
}
