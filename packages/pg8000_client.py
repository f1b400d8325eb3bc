"""pg8000 against PostgreSQL: types, transactions, prepared statements, COPY, notices, cancelling."""

import datetime
import decimal
import io
import os
import socket
import threading
import time
import unittest
import uuid

import pg8000.dbapi
import pg8000.native

import support

WHERE = {
    "user": support.SERVER["user"],
    "password": support.SERVER["password"],
    "database": "postgres",
}


def connect(module=pg8000.native, **options):
    # False: it would use TLS whenever the server has it.
    where = dict(WHERE, host=support.SERVER["host"], port=support.SERVER["port"],
                 ssl_context=False)
    where.update(options)
    make = module.Connection if module is pg8000.native else module.connect
    return make(**where)


# What a lost connection is: the server's last words, its silence, or its reset.
LOST = (pg8000.native.DatabaseError, pg8000.native.InterfaceError, ConnectionError)


class Native(unittest.TestCase):
    def setUp(self):
        self.db = connect()
        self.addCleanup(self.db.close)

    def test_ddl_and_rows(self):
        db = self.db
        db.run("create temporary table book (id serial primary key, title text not null, "
               "price numeric(8, 2), added timestamptz default now())")
        for title, price in (("R.U.R.", "12.50"), ("Krakatit", "9.90"), ("Švejk", None)):
            db.run("insert into book (title, price) values (:title, :price)",
                   title=title, price=price and decimal.Decimal(price))
        self.assertEqual(db.run("select title, price from book order by id"), [
            ["R.U.R.", decimal.Decimal("12.50")], ["Krakatit", decimal.Decimal("9.90")],
            ["Švejk", None]])
        self.assertEqual([column["name"] for column in db.columns], ["title", "price"])
        db.run("update book set price = 1 where price is null")
        self.assertEqual(db.row_count, 1)
        db.run("alter table book add column pages int")
        db.run("create index on book (title)")
        db.run("drop table book")

    def test_types_there_and_back(self):
        now = datetime.datetime(2024, 2, 29, 23, 59, 59, 123456, datetime.timezone.utc)
        for kind, value in [
            ("bool", True), ("int8", -(1 << 62)), ("float8", 0.1), ("text", "a'b\\c\u20ac\U0001f600"),
            ("bytea", bytes(range(256))), ("numeric", decimal.Decimal("12345678901234567890.12345")),
            ("date", now.date()), ("timestamptz", now), ("timestamp", now.replace(tzinfo=None)),
            ("interval", datetime.timedelta(days=3, seconds=7)), ("uuid", uuid.uuid4()),
            ("jsonb", {"list": [1, 2.5, None, "x"]}), ("int4[]", [[1, 2], [3, 4]]),
            ("text[]", ["a", 'quo"ted', "com,ma", None]), ("float8", float("inf")),
        ]:
            with self.subTest(kind):
                self.assertEqual(self.db.run("select cast(:value as %s)" % kind, value=value),
                                 [[value]])

    def test_a_prepared_statement_a_thousand_times(self):
        statement = self.db.prepare("select cast(:n as int) * 2, cast(:t as text)")
        for number in range(1000):
            self.assertEqual(statement.run(n=number, t="x" * (number % 50)),
                             [[number * 2, "x" * (number % 50)]])
        statement.close()

    def test_a_result_of_a_hundred_thousand_rows(self):
        rows = self.db.run("select n, repeat('x', 50) from generate_series(1, 100000) as n")
        self.assertEqual(len(rows), 100000)
        self.assertEqual(rows[0], [1, "x" * 50])
        self.assertEqual(rows[-1][0], 100000)

    def test_binary_data_of_megabytes(self):
        blob = os.urandom(1 << 20) * 8
        self.db.run("create temporary table file (data bytea)")
        self.db.run("insert into file values (:data)", data=blob)
        self.assertEqual(self.db.run("select length(data), md5(data) = md5(cast(:data as bytea)) from file",
                                     data=blob), [[len(blob), True]])
        self.assertTrue(self.db.run("select data from file")[0][0] == blob)

    def test_copy_in_and_out(self):
        self.db.run("create temporary table pair (n int, word text)")
        lines = "".join("%d\tword %d\n" % (n, n) for n in range(50000))
        self.db.run("copy pair from stdin", stream=io.BytesIO(lines.encode()))
        self.assertEqual(self.db.row_count, 50000)
        out = io.BytesIO()
        self.db.run("copy (select * from pair order by n) to stdout", stream=out)
        self.assertTrue(out.getvalue() == lines.encode())
        self.db.run("copy pair from stdin", stream=["1\tone\n", "2\ttwo\n"])
        self.assertEqual(self.db.run("select count(*) from pair"), [[50002]])

    def test_a_copy_that_fails_leaves_the_connection(self):
        self.db.run("create temporary table number (n int)")
        with self.assertRaises(pg8000.native.DatabaseError) as caught:
            self.db.run("copy number from stdin", stream=io.BytesIO(b"1\nno number\n"))
        self.assertEqual(caught.exception.args[0]["C"], "22P02")
        self.assertEqual(self.db.run("select count(*) from number"), [[0]])

    def test_errors_carry_the_code(self):
        self.db.run("create temporary table one (n int primary key)")
        self.db.run("insert into one values (1)")
        for code, statement in [("42P01", "select * from nowhere"), ("42601", "selec 1"),
                                ("22012", "select 1/0"), ("23505", "insert into one values (1)"),
                                ("P0001", "do $$ begin raise exception 'by hand'; end $$")]:
            with self.subTest(code), self.assertRaises(pg8000.native.DatabaseError) as caught:
                self.db.run(statement)
            self.assertEqual(caught.exception.args[0]["C"], code)
        self.assertEqual(self.db.run("select 1"), [[1]])

    def test_notices_and_notifications(self):
        self.db.run("do $$ begin raise notice 'look here'; end $$")
        self.assertEqual(self.db.notices.pop()[b"M"], b"look here")
        self.db.run("listen news")
        other = connect()
        for number in range(100):
            other.run("select pg_notify('news', :text)", text=str(number))
        other.close()
        self.db.run("select 1")
        self.assertEqual([text for _, channel, text in self.db.notifications],
                         [str(number) for number in range(100)])


class DBAPI(unittest.TestCase):
    def setUp(self):
        self.db = connect(pg8000.dbapi)
        self.addCleanup(self.db.close)
        self.addCleanup(self.db.rollback)
        self.cursor = self.db.cursor()

    def test_commit_and_rollback(self):
        self.cursor.execute("create table account (name text, balance int check (balance >= 0))")
        self.cursor.executemany("insert into account values (%s, %s)", [("a", 10), ("b", 0)])
        self.db.commit()
        self.addCleanup(self.clean_up)
        self.cursor.execute("update account set balance = 5")
        self.db.rollback()
        with self.assertRaises(pg8000.dbapi.DatabaseError):
            self.cursor.execute("update account set balance = balance - 20 where name = 'a'")
        with self.assertRaises(pg8000.dbapi.DatabaseError):
            # The transaction is broken until it is rolled back.
            self.cursor.execute("select 1")
        self.db.rollback()
        self.cursor.execute("select name, balance from account order by name")
        self.assertEqual(list(map(tuple, self.cursor.fetchall())), [("a", 10), ("b", 0)])

    def clean_up(self):
        self.db.rollback()
        self.cursor.execute("drop table account")
        self.db.commit()

    def test_savepoints_and_isolation(self):
        other = connect(pg8000.dbapi)
        self.addCleanup(other.close)
        self.cursor.execute("create temporary table t (n int)")
        self.cursor.execute("savepoint here")
        self.cursor.execute("insert into t values (1)")
        self.cursor.execute("rollback to savepoint here")
        self.cursor.execute("select count(*) from t")
        self.assertEqual(self.cursor.fetchone()[0], 0)
        with self.assertRaises(pg8000.dbapi.DatabaseError):
            other.cursor().execute("select * from t")

    def test_fetching(self):
        self.cursor.execute("select n from generate_series(1, 10) as n")
        self.assertEqual(self.cursor.rowcount, 10)
        self.assertEqual(self.cursor.description[0][0], "n")
        self.assertEqual(self.cursor.fetchone()[0], 1)
        self.assertEqual([row[0] for row in self.cursor.fetchmany(3)], [2, 3, 4])
        self.assertEqual([row[0] for row in self.cursor], [5, 6, 7, 8, 9, 10])
        self.assertIsNone(self.cursor.fetchone())

    def test_a_cursor_on_the_server(self):
        self.cursor.execute("declare c cursor for select n from generate_series(1, 20000) as n")
        total = 0
        while True:
            self.cursor.execute("fetch forward 1000 from c")
            rows = self.cursor.fetchall()
            if not rows:
                break
            total += sum(row[0] for row in rows)
        self.assertEqual(total, 20000 * 20001 // 2)

    def test_two_phase_commit_is_refused_where_it_is_off(self):
        self.db.tpc_begin(self.db.xid(1, "global", "branch"))
        self.cursor.execute("select 1")
        with self.assertRaises(pg8000.dbapi.DatabaseError):
            self.db.tpc_prepare()


class Connections(unittest.TestCase):
    def test_a_wrong_password(self):
        with self.assertRaises(pg8000.native.DatabaseError) as caught:
            connect(password="wrong")
        self.assertEqual(caught.exception.args[0]["C"], "28P01")

    def test_no_such_database(self):
        with self.assertRaises(pg8000.native.DatabaseError) as caught:
            connect(database="nowhere")
        self.assertEqual(caught.exception.args[0]["C"], "3D000")

    def test_unix_socket(self):
        db = pg8000.native.Connection(unix_sock=support.SERVER["unix"], **WHERE)
        self.assertEqual(db._usock.family, socket.AF_UNIX)
        self.assertEqual(db.run("select inet_client_addr() is null"), [[True]])
        self.assertEqual(len(db.run("select repeat('y', 5000000)")[0][0]), 5000000)
        db.close()

    def test_a_socket_of_the_callers(self):
        sock = socket.create_connection((support.SERVER["host"], support.SERVER["port"]))
        port = sock.getsockname()[1]
        db = connect(sock=sock)
        self.assertEqual(db.run("select inet_client_port()"), [[port]])
        db.close()

    def test_bound_to_an_address(self):
        db = connect(source_address=("127.0.0.1", 0), tcp_keepalive=True)
        self.assertEqual(db.run("select host(inet_client_addr())"), [["127.0.0.1"]])
        db.close()

    @support.needs("tls_port")
    def test_tls(self):
        import ssl
        context = ssl.create_default_context(cafile=support.SERVER["certificate"])
        db = connect(host="localhost", ssl_context=context)
        self.assertEqual(db.run("select ssl from pg_stat_ssl where pid = pg_backend_pid()"),
                         [[True]])
        self.assertEqual(len(db.run("select repeat('y', 3000000)")[0][0]), 3000000)
        db.close()

    @support.needs("tls_port")
    def test_tls_refuses_an_unknown_certificate(self):
        import ssl
        with self.assertRaises(ssl.SSLCertVerificationError):
            connect(host="localhost", ssl_context=ssl.create_default_context())

    def test_ten_threads(self):
        shared = connect()
        shared.run("create table counter (n int)")
        shared.run("insert into counter values (0)")

        def work(number):
            db = connect()
            for _ in range(50):
                db.run("update counter set n = n + 1")
            result = db.run("select count(*) from generate_series(1, :n)", n=1000 * number)
            db.close()
            return result[0][0]

        try:
            self.assertEqual(support.in_threads(work, range(10)), [1000 * n for n in range(10)])
            self.assertEqual(shared.run("select n from counter"), [[500]])
        finally:
            shared.run("drop table counter")
            shared.close()


class Ends(unittest.TestCase):
    def test_the_server_cancels_by_its_timeout(self):
        db = connect()
        db.run("set statement_timeout = '300ms'")
        started = time.monotonic()
        with self.assertRaises(pg8000.native.DatabaseError) as caught:
            db.run("select pg_sleep(20)")
        self.assertEqual(caught.exception.args[0]["C"], "57014")
        self.assertLess(time.monotonic() - started, 10)
        self.assertEqual(db.run("select 1"), [[1]])
        db.close()

    def test_another_connection_cancels(self):
        db, other = connect(), connect()
        pid = db.run("select pg_backend_pid()")[0][0]
        canceller = threading.Timer(0.3, other.run, ["select pg_cancel_backend(:p)"], {"p": pid})
        canceller.start()
        with self.assertRaisesRegex(pg8000.native.DatabaseError, "user request"):
            db.run("select pg_sleep(20)")
        canceller.join()
        db.close(), other.close()

    def test_the_socket_timeout(self):
        db = connect(timeout=0.5)
        started = time.monotonic()
        with self.assertRaises(TimeoutError):
            db.run("select pg_sleep(20)")
        self.assertTrue(0.4 < time.monotonic() - started < 10)

    def test_the_server_ends_the_connection(self):
        db, other = connect(), connect()
        other.run("select pg_terminate_backend(:p)", p=db.run("select pg_backend_pid()")[0][0])
        with self.assertRaises(LOST):
            db.run("select 1")
            db.run("select 1")
        other.close()

    def test_a_restart(self):
        db = connect()
        support.restart()
        with self.assertRaises(LOST):
            db.run("select 1")
            db.run("select 1")
        with connect() as db:
            self.assertEqual(db.run("select 1"), [[1]])

    def test_nobody_listens(self):
        with support.Down(), self.assertRaises(pg8000.native.InterfaceError) as caught:
            connect()
        self.assertIsInstance(caught.exception.__cause__, ConnectionRefusedError)


if __name__ == "__main__":
    support.main("pg8000")
