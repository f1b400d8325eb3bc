//! Threads that look names up.
//!
//! getaddrinfo(3) and its relatives can be neither timed out nor interrupted. So an
//! interpreter has a few threads that call them, and a queue. A caller can stop waiting
//! at any time: a look-up that has not begun is removed from the queue; a look-up that
//! has begun keeps its thread until the C library returns. A script that stops waiting
//! for look-ups occupies [`MOST_THREADS`] threads at most, or as many as the host chose
//! (`max_look_up_threads`).

use super::wake::Waiters;
use super::{Control, Deadline, Error, ResolveError, VmContext, wait};
use crate::sys::fork::{self, PerProcess};
use crate::sys::signal::BlockedSignals;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Default number of threads of one interpreter that look names up.
const MOST_THREADS: usize = 8;

/// Idle time after which a look-up thread ends.
const IDLE: Duration = Duration::from_secs(1);

/// The look-ups of one interpreter.
#[derive(Debug)]
pub(crate) struct Lookups {
    /// A child process begins with a new pool, because it does not have the threads.
    pool: PerProcess<Option<Arc<Pool>>>,
    most: AtomicUsize,
}

impl Default for Lookups {
    fn default() -> Self {
        Self {
            pool: PerProcess::new(None),
            most: AtomicUsize::new(MOST_THREADS),
        }
    }
}

impl Lookups {
    /// Sets how many threads look names up.
    pub(crate) fn set_most(&self, threads: usize) {
        self.most.store(threads, Ordering::Relaxed);
    }

    fn pool(&self) -> Arc<Pool> {
        self.pool.lock().get_or_insert_default().clone()
    }
}

type Job = Box<dyn FnOnce() + Send>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct Pool {
    queue: Mutex<Queue>,
    added: Condvar,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<(u64, Job)>,
    next: u64,
    threads: usize,
    idle: usize,
}

impl Pool {
    /// Puts a look-up into the queue and returns its number. `None` if no thread could ever
    /// take it.
    fn add(self: &Arc<Self>, job: Job, most: usize) -> Option<u64> {
        let mut queue = lock(&self.queue);
        let number = queue.next;
        queue.next += 1;
        if queue.idle <= queue.jobs.len() && queue.threads < most {
            let pool = self.clone();
            if spawn(move || pool.work()) {
                queue.threads += 1;
            }
        }
        if queue.threads == 0 {
            return None;
        }
        queue.jobs.push_back((number, job));
        drop(queue);
        self.added.notify_one();
        Some(number)
    }

    /// Removes a look-up from the queue, unless it has begun.
    fn cancel(&self, number: u64) {
        let mut queue = lock(&self.queue);
        let at = queue.jobs.iter().position(|(other, _)| *other == number);
        let given_up = at.and_then(|at| queue.jobs.remove(at));
        drop(queue);
        drop(given_up);
    }

    /// Runs the look-ups of the queue; returns after [`IDLE`] without any.
    fn work(&self) {
        let mut queue = lock(&self.queue);
        loop {
            if let Some((_, job)) = queue.jobs.pop_front() {
                drop(queue);
                // The host's resolver may panic; the thread goes on.
                let _ = catch_unwind(AssertUnwindSafe(job));
                queue = lock(&self.queue);
                continue;
            }
            queue.idle += 1;
            let waited = self.added.wait_timeout(queue, IDLE);
            let (after, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            queue = after;
            queue.idle -= 1;
            if waited.timed_out() && queue.jobs.is_empty() {
                queue.threads -= 1;
                return;
            }
        }
    }
}

/// Starts a thread that blocks all signals, so that they go to threads which wait.
/// Returns false if the thread cannot be started.
fn spawn(task: impl FnOnce() + Send + 'static) -> bool {
    // A new thread has the signal mask of the thread that started it.
    let _blocked = BlockedSignals::new();
    let thread = std::thread::Builder::new()
        .name("socket-resolver".to_owned())
        .spawn(task);
    thread.is_ok()
}

/// The answer of a look-up, and the threads that wait for it.
struct Answer<T> {
    result: Mutex<Option<Result<T, Error>>>,
    waiters: Waiters,
}

/// Wakes the waiting threads when dropped. If there is no answer, because the look-up
/// panicked or was never begun, first sets a failure.
struct Answers<T>(Arc<Answer<T>>, fn(ResolveError) -> Error);

impl<T> Drop for Answers<T> {
    fn drop(&mut self) {
        let failure = self.1;
        lock(&self.0.result).get_or_insert_with(|| Err(failure(ResolveError::Failed)));
        self.0.waiters.wake_all();
    }
}

/// Runs `look_up`, which may block, on a look-up thread, and waits until `deadline` at
/// most. `failure` makes the error of a look-up that gave no answer.
pub(super) fn in_background<T: Send + 'static>(
    vm: &impl VmContext,
    control: &Control,
    deadline: &mut Deadline,
    failure: fn(ResolveError) -> Error,
    look_up: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let answer = Arc::new(Answer {
        result: Mutex::new(None),
        waiters: Waiters::new(),
    });
    let answers = Answers(answer.clone(), failure);
    let job = Box::new(move || {
        let answers = answers;
        let result = look_up();
        *lock(&answers.0.result) = Some(result);
    });
    let generation = fork::generation();
    let pool = control.lookups.pool();
    let most = control.lookups.most.load(Ordering::Relaxed);
    let Some(number) = pool.add(job, most) else {
        return Err(failure(ResolveError::TryAgain));
    };
    let mut result = None;
    let waited = wait::wait_until(vm, control, deadline, &answer.waiters, || {
        result = if fork::generation() == generation {
            lock(&answer.result).take()
        } else {
            // A signal handler forked: the thread that looks up is the parent's.
            Some(Err(failure(ResolveError::TryAgain)))
        };
        result.is_some()
    });
    if let Err(error) = waited {
        // Not in a child process, where the pool's lock may be held for ever.
        if fork::generation() == generation {
            pool.cancel(number);
        }
        return Err(error);
    }
    result.unwrap_or_else(|| Err(failure(ResolveError::Failed)))
}

#[cfg(test)]
mod tests {
    use super::super::{NoVm, Timeout};
    use super::*;
    use nix::libc;
    use nix::sys::signal::{SigSet, Signal};
    use std::sync::mpsc::channel;
    use std::time::Instant;

    fn deadline(timeout: Timeout) -> Deadline {
        Deadline::new(timeout, &Control::default())
    }

    fn look_up<T: Send + 'static>(
        control: &Control,
        timeout: Timeout,
        job: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        in_background(
            &NoVm,
            control,
            &mut deadline(timeout),
            ResolveError::of_address,
            job,
        )
    }

    const MOMENT: Timeout = Timeout::After(Duration::from_millis(30));

    #[test]
    fn a_slow_look_up_times_out() {
        let started = Instant::now();
        let ended = look_up(&Control::default(), MOMENT, || {
            std::thread::sleep(Duration::from_secs(5));
            Ok(())
        });
        assert!(matches!(ended, Err(Error::TimedOut)));
        assert!(started.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn a_slow_look_up_can_be_interrupted() {
        let started = Instant::now();
        let control = Control::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(30));
                control.interrupt();
            });
            let ended = look_up(&control, Timeout::Blocking, || {
                std::thread::sleep(Duration::from_secs(5));
                Ok(())
            });
            assert!(matches!(ended, Err(Error::Interrupted)));
        });
        assert!(started.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn a_look_up_takes_no_signals() {
        let mask = || SigSet::thread_get_mask().map_err(Error::from);
        let taken = look_up(&Control::default(), Timeout::Blocking, mask).unwrap();
        assert!(taken.contains(Signal::SIGINT));
        assert!(!mask().unwrap().contains(Signal::SIGINT));
    }

    #[test]
    fn a_look_up_that_panics_is_a_failure_and_its_thread_goes_on() {
        let control = Control::default();
        for _ in 0..3 * MOST_THREADS {
            let broken = || -> Result<(), Error> { panic!("for the test") };
            let ended = look_up(&control, Timeout::Blocking, broken);
            assert!(matches!(ended, Err(Error::AddrInfo(libc::EAI_FAIL))));
        }
        assert!(control.lookups.pool().queue.lock().unwrap().threads <= MOST_THREADS);
    }

    #[test]
    fn look_ups_that_are_given_up_keep_few_threads_and_no_place_in_the_queue() {
        let control = Control::default();
        let (release, released) = channel::<()>();
        let released = Arc::new(Mutex::new(released));
        for _ in 0..5 * MOST_THREADS {
            let released = released.clone();
            let moment = Timeout::After(Duration::from_millis(1));
            let ended = look_up(&control, moment, move || {
                let _ = released.lock().unwrap().recv();
                Ok(())
            });
            assert!(matches!(ended, Err(Error::TimedOut)));
        }
        {
            let pool = control.lookups.pool();
            let queue = pool.queue.lock().unwrap();
            assert_eq!((queue.threads, queue.jobs.len()), (MOST_THREADS, 0));
        }
        drop(release);
        // The threads are free again for the next look-up.
        let answered = look_up(&control, Timeout::Blocking, || Ok(7));
        assert_eq!(answered.unwrap(), 7);
    }

    #[test]
    fn without_a_thread_a_look_up_is_to_be_tried_again() {
        let control = Control::default();
        control.lookups.set_most(0);
        let ended = look_up(&control, Timeout::Blocking, || Ok(()));
        assert!(matches!(ended, Err(Error::AddrInfo(libc::EAI_AGAIN))));
    }
}
