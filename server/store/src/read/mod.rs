//! Queries, by subject. All of them run on a [`ReadView`]: one consistent snapshot of the store.

mod attribution;
mod encounter;
mod evidence;
mod experiment;
mod physiology;
mod session;

use rusqlite::{Connection, Row};

use crate::error::StoreError;
use crate::pending::Pending;
use crate::worker::Queue;

pub use encounter::EncounterFilter;

/// A consistent snapshot of the store; every query of one view sees the same state.
#[derive(Debug)]
pub struct ReadView {
    connection: Connection,
}

/// Runs queries on the read-only connections. Cheap to clone, usable from any thread.
///
/// Readers never block the writer nor wait for it.
#[derive(Debug, Clone)]
pub struct Reader {
    queue: Queue<ReadView>,
}

impl Reader {
    pub(crate) fn new(queue: Queue<ReadView>) -> Self {
        Self { queue }
    }

    /// Runs queries on one snapshot and waits for them. Must not be called from inside another view.
    pub fn read<T, F>(&self, queries: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&ReadView) -> Result<T, StoreError> + Send + 'static,
    {
        self.read_later(queries).wait()
    }

    /// Runs queries on one snapshot; the answer can be awaited.
    pub fn read_later<T, F>(&self, queries: F) -> Pending<T>
    where
        T: Send + 'static,
        F: FnOnce(&ReadView) -> Result<T, StoreError> + Send + 'static,
    {
        self.queue.submit(move |view| view.snapshot(queries))
    }

    /// Runs a job on a read-only connection outside any transaction.
    pub(crate) fn submit<T, F>(&self, job: F) -> Pending<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.queue.submit(move |view| job(&mut view.connection))
    }
}

impl ReadView {
    /// Takes over a read-only connection.
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// Runs queries inside one read transaction.
    pub(crate) fn snapshot<T>(
        &self,
        queries: impl FnOnce(&Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let _snapshot = self.connection.unchecked_transaction()?;
        queries(self)
    }

    fn rows<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        map: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement
            .query_map(parameters, map)?
            .collect::<rusqlite::Result<_>>()?;
        Ok(rows)
    }

    fn first<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        map: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query_map(parameters, map)?;
        Ok(rows.next().transpose()?)
    }
}
