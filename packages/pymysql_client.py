"""PyMySQL against MariaDB: types, transactions, LOAD DATA, streamed results, ended connections."""

import datetime
import decimal
import os
import socket
import tempfile
import threading
import time
import unittest

import pymysql
import pymysql.cursors

import support


def connect(**options):
    where = {key: support.SERVER[key] for key in ("host", "port", "user", "password")}
    where.update(database="work", charset="utf8mb4", ssl_disabled=True)
    where.update(options)
    return pymysql.connect(**where)


def setUpModule():
    with connect(database=None) as db, db.cursor() as cursor:
        cursor.execute("create database if not exists work")


class Statements(unittest.TestCase):
    def setUp(self):
        self.db = connect()
        self.addCleanup(self.db.close)
        self.cursor = self.db.cursor()

    def ask(self, *statement):
        self.cursor.execute(*statement)
        return self.cursor.fetchall()

    def test_ddl_and_rows(self):
        self.ask("create temporary table book (id int auto_increment primary key, "
                 "title varchar(80) not null, price decimal(8, 2))")
        count = self.cursor.executemany("insert into book (title, price) values (%s, %s)", [
            ("R.U.R.", decimal.Decimal("12.50")), ("Švejk \U0001f600", None), ("O'Neill", 3)])
        self.assertEqual(count, 3)
        self.assertEqual(self.cursor.lastrowid, 1)
        self.assertEqual(self.ask("select title, price from book order by id"), (
            ("R.U.R.", decimal.Decimal("12.50")), ("Švejk \U0001f600", None),
            ("O'Neill", decimal.Decimal("3.00"))))
        self.assertEqual([column[0] for column in self.cursor.description], ["title", "price"])
        self.ask("alter table book add column pages int")
        self.ask("drop table book")

    def test_types_there_and_back(self):
        self.ask("create temporary table kinds (i bigint, d double, t text, b blob, "
                 "n decimal(30, 10), da date, dt datetime(6), ti time(6), y year, bi bit(8))")
        row = (-(1 << 62), 0.1, "a'b\\c\"\u20ac", bytes(range(256)),
               decimal.Decimal("12345678901234567890.1234567891"), datetime.date(2024, 2, 29),
               datetime.datetime(2024, 2, 29, 23, 59, 59, 123456),
               datetime.timedelta(hours=30, microseconds=5), 2024, b"\x81")
        self.ask("insert into kinds values (" + ", ".join(["%s"] * len(row)) + ")", row)
        self.assertEqual(self.ask("select * from kinds"), (row,))

    def test_statements_prepared_on_the_server(self):
        self.ask("prepare twice from 'select ? * 2'")
        for number in range(300):
            self.ask("set @n = %s", number)
            self.assertEqual(int(self.ask("execute twice using @n")[0][0]), number * 2)
        self.ask("deallocate prepare twice")

    def test_several_results_of_one_request(self):
        with connect(client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS) as db:
            cursor = db.cursor()
            cursor.execute("select 1; select 2, 3; select 'four'")
            results = [cursor.fetchall()]
            while cursor.nextset():
                results.append(cursor.fetchall())
            self.assertEqual(results, [((1,),), ((2, 3),), (("four",),)])

    def test_rows_as_dictionaries(self):
        with connect(cursorclass=pymysql.cursors.DictCursor) as db, db.cursor() as cursor:
            cursor.execute("select 1 as one, 'two' as two")
            self.assertEqual(cursor.fetchone(), {"one": 1, "two": "two"})

    def test_a_result_of_a_hundred_thousand_rows(self):
        rows = self.ask("select seq, repeat('x', 50) from seq_1_to_100000")
        self.assertEqual(len(rows), 100000)
        self.assertEqual(rows[99999], (100000, "x" * 50))

    def test_a_streamed_result(self):
        with connect(cursorclass=pymysql.cursors.SSCursor) as db, db.cursor() as cursor:
            cursor.execute("select seq, repeat('y', 1000) from seq_1_to_20000")
            total = 0
            for number, text in cursor:
                total += number
                self.assertEqual(len(text), 1000)
            self.assertEqual(total, 20000 * 20001 // 2)

    def test_values_beyond_one_packet(self):
        # A packet of the protocol ends at 16 MiB; longer values go on in the next.
        blob = os.urandom(1 << 20) * 17
        self.ask("create temporary table file (data longblob)")
        with connect(max_allowed_packet=64 << 20) as db, db.cursor() as cursor:
            cursor.execute("create temporary table file (data longblob)")
            cursor.execute("insert into file values (_binary %s)", (blob,))
            cursor.execute("select length(data), data from file")
            length, data = cursor.fetchone()
        self.assertEqual(length, len(blob))
        self.assertTrue(data == blob)

    def test_load_data_from_a_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
            for number in range(50000):
                file.write("%d,word %d\n" % (number, number))
            file.flush()
            with connect(local_infile=True) as db, db.cursor() as cursor:
                cursor.execute("create temporary table pair (n int, word varchar(40))")
                count = cursor.execute("load data local infile %s into table pair "
                                       "fields terminated by ','", (file.name,))
                self.assertEqual(count, 50000)
                cursor.execute("select sum(n), max(length(word)) from pair")
                self.assertEqual(cursor.fetchone(), (50000 * 49999 // 2, 10))

    def test_errors_keep_the_connection(self):
        self.ask("create temporary table one (n int primary key, word varchar(3) not null)")
        self.ask("insert into one values (1, 'a')")
        for kind, code, statement in [
            (pymysql.err.ProgrammingError, 1146, "select * from nowhere"),
            (pymysql.err.ProgrammingError, 1064, "selec 1"),
            (pymysql.err.IntegrityError, 1062, "insert into one values (1, 'b')"),
            (pymysql.err.DataError, 1406, "insert into one values (2, 'longer')"),
            (pymysql.err.OperationalError, 1054, "select nothing from one"),
        ]:
            with self.subTest(code), self.assertRaises(kind) as caught:
                self.ask(statement)
            self.assertEqual(caught.exception.args[0], code)
        self.assertEqual(self.ask("select 1"), ((1,),))


class Transactions(unittest.TestCase):
    def setUp(self):
        self.db, self.other = connect(), connect()
        self.addCleanup(self.db.close)
        self.addCleanup(self.other.close)
        with self.db.cursor() as cursor:
            cursor.execute("create or replace table account (name varchar(9) primary key, n int) "
                           "engine = innodb")
            cursor.execute("insert into account values ('a', 10), ('b', 0)")
        self.db.commit()

    def balance(self, db, name="a"):
        with db.cursor() as cursor:
            cursor.execute("select n from account where name = %s", (name,))
            return cursor.fetchone()[0]

    def test_commit_and_rollback(self):
        with self.db.cursor() as cursor:
            cursor.execute("update account set n = 7 where name = 'a'")
            self.assertEqual(self.balance(self.other), 10)
            self.db.rollback()
            self.assertEqual(self.balance(self.db), 10)
            cursor.execute("update account set n = 7 where name = 'a'")
        self.db.commit()
        self.other.rollback()
        self.assertEqual(self.balance(self.other), 7)

    def test_savepoints(self):
        with self.db.cursor() as cursor:
            cursor.execute("savepoint here")
            cursor.execute("update account set n = 99")
            cursor.execute("rollback to here")
        self.assertEqual(self.balance(self.db), 10)

    def test_a_lock_that_is_not_granted(self):
        with self.db.cursor() as cursor, self.other.cursor() as other:
            cursor.execute("update account set n = 1 where name = 'a'")
            other.execute("set innodb_lock_wait_timeout = 1")
            started = time.monotonic()
            with self.assertRaises(pymysql.err.OperationalError) as caught:
                other.execute("update account set n = 2 where name = 'a'")
            self.assertEqual(caught.exception.args[0], 1205)
            self.assertGreater(time.monotonic() - started, 0.5)
        self.db.rollback()

    def test_a_deadlock(self):
        both = threading.Barrier(2)

        def work(names):
            with connect() as db, db.cursor() as cursor:
                try:
                    cursor.execute("update account set n = n + 1 where name = %s", names[0])
                    both.wait(support.LONG)
                    cursor.execute("update account set n = n + 1 where name = %s", names[1])
                    db.commit()
                    return 0
                except pymysql.err.OperationalError as error:
                    return error.args[0]

        self.assertEqual(sorted(support.in_threads(work, ["ab", "ba"])), [0, 1213])


class Connections(unittest.TestCase):
    def test_a_wrong_password(self):
        with self.assertRaises(pymysql.err.OperationalError) as caught:
            connect(password="wrong")
        self.assertEqual(caught.exception.args[0], 1045)

    def test_no_such_database(self):
        with self.assertRaises(pymysql.err.OperationalError) as caught:
            connect(database="nowhere")
        self.assertEqual(caught.exception.args[0], 1049)

    def test_unix_socket(self):
        with connect(unix_socket=support.SERVER["unix"]) as db, db.cursor() as cursor:
            self.assertEqual(db._sock.family, socket.AF_UNIX)
            cursor.execute("select repeat('z', 5000000)")
            self.assertEqual(len(cursor.fetchone()[0]), 5000000)

    @support.needs("tls_port")
    def test_tls(self):
        with connect(host="localhost", ssl_disabled=False, ssl_ca=support.SERVER["certificate"],
                     ssl_verify_cert=True, ssl_verify_identity=True) as db, db.cursor() as cursor:
            cursor.execute("show status like 'ssl_cipher'")
            self.assertTrue(cursor.fetchone()[1])
            cursor.execute("select repeat('z', 3000000)")
            self.assertEqual(len(cursor.fetchone()[0]), 3000000)

    @support.needs("tls_port")
    def test_tls_refuses_an_unknown_certificate(self):
        import certifi
        with self.assertRaisesRegex(pymysql.err.OperationalError, "(?i)certificate"):
            connect(host="localhost", ssl_disabled=False, ssl_ca=certifi.where(),
                    ssl_verify_cert=True)

    def test_ten_threads(self):
        with connect() as db, db.cursor() as cursor:
            cursor.execute("create or replace table counter (n int)")
            cursor.execute("insert into counter values (0)")
            db.commit()

        def work(number):
            with connect(autocommit=True) as db, db.cursor() as cursor:
                for _ in range(50):
                    cursor.execute("update counter set n = n + 1")
                cursor.execute("select count(*) from seq_1_to_%d" % (1000 * number))
                return cursor.fetchone()[0]

        self.assertEqual(support.in_threads(work, range(1, 11)), [1000 * n for n in range(1, 11)])
        with connect() as db, db.cursor() as cursor:
            cursor.execute("select n from counter")
            self.assertEqual(cursor.fetchone(), (500,))


class Ends(unittest.TestCase):
    def test_the_read_timeout(self):
        with connect(read_timeout=1) as db, db.cursor() as cursor:
            started = time.monotonic()
            with self.assertRaises(pymysql.err.OperationalError) as caught:
                cursor.execute("select sleep(20)")
            self.assertEqual(caught.exception.args[0], 2013)
            self.assertIn("timed out", str(caught.exception))
            self.assertTrue(0.9 < time.monotonic() - started < 10)
            db._force_close()

    def test_the_server_cancels_by_its_timeout(self):
        with connect() as db, db.cursor() as cursor:
            with self.assertRaises(pymysql.err.OperationalError) as caught:
                cursor.execute("set statement max_statement_time = 0.3 for select sleep(20)")
            self.assertEqual(caught.exception.args[0], 1969)
            cursor.execute("select 1")
            self.assertEqual(cursor.fetchone(), (1,))

    def test_another_connection_kills_the_query(self):
        with connect() as db, connect() as other:
            killer = threading.Timer(0.3, other.query, ["kill query %d" % db.thread_id()])
            killer.start()
            with self.assertRaises(pymysql.err.OperationalError) as caught:
                db.query("select count(*) from seq_1_to_1000000000 where seq % 7 = 3 and rand() < 2")
            self.assertEqual(caught.exception.args[0], 1317)
            killer.join()

    def test_the_server_ends_the_connection(self):
        with connect() as db, connect() as other:
            other.kill(db.thread_id())
            time.sleep(0.1)
            with self.assertRaises(pymysql.err.OperationalError):
                db.query("select 1")
            db.ping(reconnect=True)
            db.query("select 1")

    def test_a_restart(self):
        with connect() as db:
            support.restart()
            with self.assertRaises(pymysql.err.OperationalError):
                db.query("select 1")
            db.ping(reconnect=True)
            with db.cursor() as cursor:
                cursor.execute("select database()")
                self.assertEqual(cursor.fetchone(), ("work",))

    def test_nobody_listens(self):
        with support.Down(), self.assertRaises(pymysql.err.OperationalError) as caught:
            connect()
        self.assertEqual(caught.exception.args[0], 2003)
        self.assertIn("Connection refused", str(caught.exception))


if __name__ == "__main__":
    support.main("PyMySQL")
