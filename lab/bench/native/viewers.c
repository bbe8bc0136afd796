/* Many viewers of one stream of events, each from an address of its own in 127.0.0.0/8.
 *
 *   viewers HOST PORT PATH COUNT MARK
 *
 * Prints "ready N" when all of them have had their first bytes. Then, for each viewer and each number that follows MARK
 * in what he gets, a line: the number, and when it came, by the monotonic clock. Ends when its input does. Built by
 * lab/bench/native/__init__.py.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TAIL 64 /* of what a viewer had before: a mark may come in two pieces */
#define PIECE 65536
#define KEPT (64 << 20) /* of what is printed */
#define AT_ONCE 100 /* who have not had an answer yet */

struct viewer {
    int socket, is_ready, kept;
    char tail[TAIL];
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_one(int number, const char *host, int port, const char *path)
{
    struct sockaddr_in here = {.sin_family = AF_INET}, there = {.sin_family = AF_INET, .sin_port = htons(port)};
    int found = socket(AF_INET, SOCK_STREAM, 0);
    char request[512];
    here.sin_addr.s_addr = htonl(0x7f010001u + (number / 250) * 256 + number % 250);
    inet_pton(AF_INET, host, &there.sin_addr);
    if (found < 0 || bind(found, (struct sockaddr *)&here, sizeof here)
        || connect(found, (struct sockaddr *)&there, sizeof there))
        fail("connect");
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s:%d\r\n\r\n", path, host, port);
    if (write(found, request, length) != length)
        fail("write");
    fcntl(found, F_SETFL, O_NONBLOCK);
    return found;
}

/* Prints the numbers behind the mark in what has come, and keeps the end of it. */
static void look(struct viewer *viewer, char *text, int length, const char *mark, double moment)
{
    for (char *at = text; (at = memmem(at, text + length - at, mark, strlen(mark)));) {
        char *end;
        at += strlen(mark);
        long long number = strtoll(at, &end, 10);
        if (end < text + length) /* all of its digits are there */
            printf("%lld %.6f\n", number, moment);
        else
            break;
    }
    char *last = memrchr(text, '\n', length);
    viewer->kept = last ? (int)(text + length - last) : length;
    if (viewer->kept > TAIL)
        viewer->kept = TAIL;
    memcpy(viewer->tail, text + length - viewer->kept, viewer->kept);
}

int main(int count, char **words)
{
    if (count != 6)
        return fprintf(stderr, "usage: viewers HOST PORT PATH COUNT MARK\n"), 2;
    int viewers = atoi(words[4]), opened = 0, ready = 0, poll = epoll_create1(0);
    struct rlimit files;
    setvbuf(stdout, malloc(KEPT), _IOFBF, KEPT); /* nobody reads before the end: a full pipe would stop us */
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    struct viewer *all = calloc(viewers, sizeof *all);
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = NULL}, found[256];
    epoll_ctl(poll, EPOLL_CTL_ADD, STDIN_FILENO, &wanted);
    static char text[TAIL + PIECE + 1];
    for (;;) {
        for (; opened < viewers && opened - ready < AT_ONCE; opened++) {
            all[opened].socket = open_one(opened, words[1], atoi(words[2]), words[3]);
            wanted.data.ptr = &all[opened];
            epoll_ctl(poll, EPOLL_CTL_ADD, all[opened].socket, &wanted);
        }
        int some = epoll_wait(poll, found, 256, -1);
        double moment = now();
        for (int n = 0; n < some; n++) {
            struct viewer *viewer = found[n].data.ptr;
            if (!viewer) {
                if (read(STDIN_FILENO, text, 1) <= 0)
                    return 0;
                continue;
            }
            memcpy(text, viewer->tail, viewer->kept);
            ssize_t length = read(viewer->socket, text + viewer->kept, PIECE);
            if (length <= 0) {
                if (length < 0 && errno == EAGAIN)
                    continue;
                return fprintf(stderr, "a stream has ended\n"), 1;
            }
            text[viewer->kept + length] = 0;
            if (!viewer->is_ready) {
                if (!strstr(text, " 200 "))
                    return fprintf(stderr, "refused: %.200s\n", text), 1;
                viewer->is_ready = 1;
                if (++ready == viewers) {
                    printf("ready %d\n", ready);
                    fflush(stdout);
                }
            }
            look(viewer, text, viewer->kept + length, words[5], moment);
        }
    }
}
