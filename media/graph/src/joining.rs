//! Merges as methods of streams.

use crate::graph::{Graph, Stream};
use crate::merge::{
    DEFAULT_MERGE_LIMIT, DropAlone, EmitAlone, JoinAll, JoinAllOf, JoinAny, JoinLatest,
    JoinLatestOf, JoinOrdered, JoinSync, JoinSyncOf, Latest, Ordered, Pairing,
};
use crate::packet::{Either, Payload};
use crate::unit::Join;
use crate::wiring::MergeDraft;

impl<A: Payload> Stream<A> {
    /// Passes on each packet of both streams as it arrives. Media times may go back between the two.
    pub fn merge_any<B: Payload>(&self, name: &str, other: &Stream<B>) -> Stream<Either<A, B>> {
        self.merge(name, "merge_any", other, JoinAny::new(2))
    }

    /// Passes on each packet of both streams in the order of media time (this stream first at equal times), so
    /// that the same input gives the same output on every run.
    pub fn merge_ordered<B: Payload>(
        &self,
        name: &str,
        other: &Stream<B>,
        settings: Ordered,
    ) -> Stream<Either<A, B>> {
        self.merge(name, "merge_ordered", other, JoinOrdered::new(2, settings))
    }

    /// Pairs the streams by order of arrival; keeps up to [`DEFAULT_MERGE_LIMIT`] packets of the quicker one.
    pub fn merge_all<B: Payload>(&self, name: &str, other: &Stream<B>) -> Stream<(A, B)> {
        self.merge(name, "merge_all", other, JoinAll::new(DEFAULT_MERGE_LIMIT))
    }

    /// Pairs each packet with the nearest of `other` in media time; without one it is dropped as unpaired.
    pub fn merge_sync<B: Payload>(
        &self,
        name: &str,
        other: &Stream<B>,
        settings: Pairing,
    ) -> Stream<(A, B)> {
        self.merge(
            name,
            "merge_sync",
            other,
            JoinSync::<A, B, DropAlone>::new(settings),
        )
    }

    /// Pairs each packet with the nearest of `other` in media time; without one it goes out alone.
    pub fn merge_sync_partial<B: Payload>(
        &self,
        name: &str,
        other: &Stream<B>,
        settings: Pairing,
    ) -> Stream<(A, Option<B>)> {
        self.merge(
            name,
            "merge_sync",
            other,
            JoinSync::<A, B, EmitAlone>::new(settings),
        )
    }

    /// Gives each packet the last value of `other` that has arrived.
    pub fn merge_latest<B: Payload>(
        &self,
        name: &str,
        other: &Stream<B>,
        settings: Latest,
    ) -> Stream<(A, Option<B>)> {
        self.merge(name, "merge_latest", other, JoinLatest::new(settings))
    }

    fn merge<B: Payload, O: Payload>(
        &self,
        name: &str,
        kind: &'static str,
        other: &Stream<B>,
        join: impl Join<Either<A, B>, O> + 'static,
    ) -> Stream<O> {
        let mut merge = MergeDraft::new(self.draft(), name, kind);
        self.attach_port(&mut merge, Either::Left);
        other.attach_port(&mut merge, Either::Right);
        merge.finish(join)
    }
}

impl Graph {
    /// Passes on each packet of all streams as it arrives, with the number of its stream.
    pub fn merge_any_of<T: Payload>(
        &mut self,
        name: &str,
        streams: &[Stream<T>],
    ) -> Stream<(usize, T)> {
        self.merge_many(name, "merge_any", streams, JoinAny::new(streams.len()))
    }

    /// Passes on each packet of all streams in the order of media time, with the number of its stream.
    pub fn merge_ordered_of<T: Payload>(
        &mut self,
        name: &str,
        streams: &[Stream<T>],
        settings: Ordered,
    ) -> Stream<(usize, T)> {
        self.merge_many(
            name,
            "merge_ordered",
            streams,
            JoinOrdered::new(streams.len(), settings),
        )
    }

    /// Makes rows of one packet per stream by order of arrival.
    pub fn merge_all_of<T: Payload>(
        &mut self,
        name: &str,
        streams: &[Stream<T>],
    ) -> Stream<Vec<T>> {
        self.merge_many(
            name,
            "merge_all",
            streams,
            JoinAllOf::new(streams.len(), DEFAULT_MERGE_LIMIT),
        )
    }

    /// Makes rows of each packet of the stream number `leader` (0 is the first) with the nearest of every other stream in
    /// media time; without all of them it is dropped as unpaired.
    pub fn merge_sync_of<T: Payload>(
        &mut self,
        name: &str,
        streams: &[Stream<T>],
        leader: usize,
        settings: Pairing,
    ) -> Stream<Vec<Option<T>>> {
        let join = JoinSyncOf::new(streams.len(), leader, false, settings);
        self.merge_many(name, "merge_sync", streams, join)
    }

    /// As [`Graph::merge_sync_of`], but a leader goes out with whoever is there.
    pub fn merge_sync_partial_of<T: Payload>(
        &mut self,
        name: &str,
        streams: &[Stream<T>],
        leader: usize,
        settings: Pairing,
    ) -> Stream<Vec<Option<T>>> {
        let join = JoinSyncOf::new(streams.len(), leader, true, settings);
        self.merge_many(name, "merge_sync", streams, join)
    }

    /// Makes rows of each packet of the stream number `leader` with the last packet of every other stream.
    pub fn merge_latest_of<T: Payload>(
        &mut self,
        name: &str,
        streams: &[Stream<T>],
        leader: usize,
        settings: Latest,
    ) -> Stream<Vec<Option<T>>> {
        let join = JoinLatestOf::new(streams.len(), leader, settings);
        self.merge_many(name, "merge_latest", streams, join)
    }

    pub(crate) fn merge_many<T: Payload, O: Payload>(
        &mut self,
        name: &str,
        kind: &'static str,
        streams: &[Stream<T>],
        join: impl Join<(usize, T), O> + 'static,
    ) -> Stream<O> {
        let mut merge = MergeDraft::new(self.draft(), name, kind);
        for (port, stream) in streams.iter().enumerate() {
            stream.attach_port(&mut merge, move |payload| (port, payload));
        }
        merge.finish(join)
    }
}
