/* A C program that places orders as a careful one would: one transaction an order, four statements, the same rows.
 *
 *   client HOST PORT USER DATABASE GOODS_ID THREADS SECONDS FIRST_ORDER_ID
 *
 * Prints the orders that were committed, and the seconds that took. Built by lab/bench/native/__init__.py against
 * libmariadb. It stands for what anybody can do with the same database in a language that costs nothing.
 */
#include <mysql.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *host, *user, *database;
static int port, seconds;
static long long goods_id, first_order_id;
static volatile int over = 0;

struct buyer {
    pthread_t thread;
    int number;
    long long orders;
    char error[512];
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int fail(struct buyer *buyer, MYSQL *connection)
{
    snprintf(buyer->error, sizeof buyer->error, "%s", mysql_error(connection));
    mysql_rollback(connection);
    return 0;
}

static int run(struct buyer *buyer, MYSQL *connection, const char *sql)
{
    if (mysql_query(connection, sql))
        return fail(buyer, connection);
    return 1;
}

/* The product as it is sold: what a line keeps of it, quoted once. */
struct product {
    char title[1024], brief[4096], head_imgs[8192], videos[8192], detail[65536];
    long long price, market_price;
};

static int read_product(struct buyer *buyer, MYSQL *connection, struct product *product)
{
    char sql[256];
    snprintf(sql, sizeof sql,
        "SELECT title, brief, head_imgs, videos, detail, price, market_price FROM shopping_goods WHERE goods_id = %lld",
        goods_id);
    if (!run(buyer, connection, sql))
        return 0;
    MYSQL_RES *result = mysql_store_result(connection);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    if (!row) {
        snprintf(buyer->error, sizeof buyer->error, "no product %lld", goods_id);
        return 0;
    }
    unsigned long *lengths = mysql_fetch_lengths(result);
    char *targets[] = {product->title, product->brief, product->head_imgs, product->videos, product->detail};
    for (int n = 0; n < 5; n++)
        mysql_real_escape_string(connection, targets[n], row[n], lengths[n]);
    product->price = atoll(row[5]);
    product->market_price = atoll(row[6]);
    mysql_free_result(result);
    return 1;
}

static int place(struct buyer *buyer, MYSQL *connection, struct product *product, long long order_id, char *sql, size_t size)
{
    if (!run(buyer, connection, "BEGIN"))
        return 0;
    snprintf(sql, size,
        "INSERT INTO shopping_order (order_id, user_id, room_id, pay_amount, created_at, updated_at, expires_at,"
        " receive_address, receive_name, receive_phone, idempotency_key, request_digest, status, closed_by, pay_channel,"
        " trade_id, created_by, updated_by, version, is_deleted) VALUES (%lld, %lld, NULL, %lld, NOW(6), NOW(6),"
        " NOW(6) + INTERVAL 1800 SECOND, '1 Harbour Road', 'Li Lei', '13800000000', NULL, '', 100, '', '', '', '', '', 0, 0)",
        order_id, order_id, product->price);
    if (!run(buyer, connection, sql))
        return 0;
    snprintf(sql, size,
        "INSERT INTO shopping_order_detail (order_id, user_id, goods_id, num, pay_amount, created_at, updated_at, title,"
        " market_price, price, brief, head_imgs, videos, detail, created_by, updated_by, version, is_deleted)"
        " VALUES (%lld, %lld, %lld, 1, %lld, NOW(6), NOW(6), '%s', %lld, %lld, '%s', '%s', '%s', '%s', '', '', 0, 0)",
        order_id, order_id, goods_id, product->price, product->title, product->market_price, product->price,
        product->brief, product->head_imgs, product->videos, product->detail);
    if (!run(buyer, connection, sql))
        return 0;
    snprintf(sql, size,
        "INSERT INTO shopping_stock_record (order_id, goods_id, num, status, kind, created_at, updated_at, created_by,"
        " updated_by, version, is_deleted) VALUES (%lld, %lld, 1, 1, 'order', NOW(6), NOW(6), '', '', 0, 0)",
        order_id, goods_id);
    if (!run(buyer, connection, sql))
        return 0;
    snprintf(sql, size,
        "UPDATE shopping_stock SET num = num - 1, `lock` = `lock` + 1, version = version + 1, updated_at = NOW(6)"
        " WHERE goods_id = %lld AND num >= 1", goods_id);
    if (!run(buyer, connection, sql))
        return 0;
    if (mysql_affected_rows(connection) != 1) {
        snprintf(buyer->error, sizeof buyer->error, "sold out");
        mysql_rollback(connection);
        return 0;
    }
    return run(buyer, connection, "COMMIT");
}

static void *buy(void *argument)
{
    struct buyer *buyer = argument;
    struct product *product = malloc(sizeof *product);
    size_t size = sizeof *product + 4096;
    char *sql = malloc(size);
    MYSQL *connection = mysql_init(NULL);
    mysql_options(connection, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options(connection, MYSQL_INIT_COMMAND, "SET time_zone = '+00:00', sql_mode = 'TRADITIONAL'");
    if (!mysql_real_connect(connection, host, user, "", database, port, NULL, 0)) {
        fail(buyer, connection);
    } else if (run(buyer, connection, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
               && read_product(buyer, connection, product)) {
        long long order_id = first_order_id + buyer->number * 10000000LL;
        while (!over && place(buyer, connection, product, order_id++, sql, size))
            buyer->orders++;
    }
    mysql_close(connection);
    free(sql);
    free(product);
    return NULL;
}

int main(int count, char **words)
{
    if (count != 9) {
        fprintf(stderr, "client HOST PORT USER DATABASE GOODS_ID THREADS SECONDS FIRST_ORDER_ID\n");
        return 2;
    }
    host = words[1], port = atoi(words[2]), user = words[3], database = words[4];
    goods_id = atoll(words[5]), first_order_id = atoll(words[8]);
    int threads = atoi(words[6]);
    seconds = atoi(words[7]);
    mysql_library_init(0, NULL, NULL);
    struct buyer *buyers = calloc(threads, sizeof *buyers);
    double started = now();
    for (int n = 0; n < threads; n++) {
        buyers[n].number = n;
        pthread_create(&buyers[n].thread, NULL, buy, &buyers[n]);
    }
    struct timespec pause = {seconds, 0};
    nanosleep(&pause, NULL);
    over = 1;
    long long orders = 0;
    for (int n = 0; n < threads; n++) {
        pthread_join(buyers[n].thread, NULL);
        orders += buyers[n].orders;
        if (buyers[n].error[0]) {
            fprintf(stderr, "%s\n", buyers[n].error);
            return 1;
        }
    }
    printf("%lld %.6f\n", orders, now() - started);
    return 0;
}
