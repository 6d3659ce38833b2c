//! Whom to follow: one person, by place and time, never by the order of a list.
//!
//! ```text
//!            largest face                landmarks bad, or jumped away
//!  Nobody ───────────────▶ Followed ─────────────────────────────────▶ Lost
//!    ▲                         ▲        a face near the last place       │
//!    │                         ├─────────────────────────────────────────┤ within `hold_ns`: same number
//!    └── reset                 └─────────────────────────────────────────┘ after it: the largest face, new number
//! ```
//!
//! While somebody is lost and the hold time runs, a face elsewhere does not take over: another person walking through the
//! picture must not enter the series.

use lsie_kernels::region::Region;

/// People whose last place is remembered; beyond it the one longest away is forgotten.
const PLACES: usize = 8;

/// An upright box in frame pixels.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FaceBox {
    /// Left and top.
    pub corner: [f32; 2],
    /// Width and height.
    pub size: [f32; 2],
}

impl FaceBox {
    /// The middle.
    pub fn center(&self) -> [f32; 2] {
        [
            self.corner[0] + self.size[0] / 2.0,
            self.corner[1] + self.size[1] / 2.0,
        ]
    }

    /// Its area, square pixels; 0 for an empty or broken box.
    pub fn area(&self) -> f32 {
        self.size[0].max(0.0) * self.size[1].max(0.0)
    }

    /// Intersection over union; 0 when either is empty.
    pub fn overlap(&self, other: &FaceBox) -> f32 {
        let side = |axis: usize| {
            let low = self.corner[axis].max(other.corner[axis]);
            let high =
                (self.corner[axis] + self.size[axis]).min(other.corner[axis] + other.size[axis]);
            (high - low).max(0.0)
        };
        let shared = side(0) * side(1);
        let all = self.area() + other.area() - shared;
        if all > 0.0 { shared / all } else { 0.0 }
    }
}

/// A face that the detector found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Where it is.
    pub face: FaceBox,
    /// Where its landmarks should be looked for.
    pub region: Region,
}

/// When two sightings are the same person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SubjectRules {
    /// Boxes that overlap at least this much (intersection over union) are the same person.
    pub min_overlap: f32,
    /// So are boxes whose middles are at most this many sides of the last box apart.
    pub max_step_sides: f32,
    /// How long a lost person is waited for before another one is followed, media time.
    pub hold_ns: i64,
    /// How long a place is remembered after the person was lost, media time.
    pub return_ns: i64,
    /// A face that overlaps a remembered place at least this much (intersection over union) is the person who was there.
    pub min_return_overlap: f32,
}

impl Default for SubjectRules {
    fn default() -> Self {
        SubjectRules {
            min_overlap: 0.1,
            max_step_sides: 0.75,
            hold_ns: 1_000_000_000,
            return_ns: 120_000_000_000,
            min_return_overlap: 0.25,
        }
    }
}

/// What to do with the next frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Plan {
    /// Run the detector on the whole frame.
    Detect,
    /// Look for the landmarks here.
    Follow(Region),
}

/// Why nobody is followed after a detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// There is no face, and nobody is waited for.
    Nobody,
    /// A person is waited for.
    Waiting,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Nobody,
    Followed { last: FaceBox, region: Region },
    Lost { last: FaceBox, since_ns: i64 },
}

/// Where somebody was when they were lost.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    number: u32,
    last: FaceBox,
    since_ns: i64,
}

/// The state of following one person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Subject {
    rules: SubjectRules,
    state: State,
    /// Number of the person that is or was followed; 0 before the first.
    number: u32,
    /// Largest number given.
    newest: u32,
    places: [Option<Place>; PLACES],
}

impl Subject {
    /// Nobody yet.
    pub fn new(rules: SubjectRules) -> Self {
        Subject {
            rules,
            state: State::Nobody,
            number: 0,
            newest: 0,
            places: [None; PLACES],
        }
    }

    /// The number of the person that is followed or waited for, from 1 on.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// What to do with the next frame.
    pub fn plan(&self) -> Plan {
        match self.state {
            State::Followed { region, .. } => Plan::Follow(region),
            State::Nobody | State::Lost { .. } => Plan::Detect,
        }
    }

    /// Chooses among the faces of a frame and gives the region to look at.
    pub fn choose(&mut self, pts_ns: i64, faces: &[Candidate]) -> Result<Region, Loss> {
        let waited_for = self.waited_for(pts_ns);
        let chosen = match waited_for {
            Some(last) => self.nearest(&last, faces).ok_or(Loss::Waiting)?,
            None => *largest(faces).ok_or(Loss::Nobody)?,
        };
        if waited_for.is_none() {
            self.remember_place();
            self.number = self.take_place(pts_ns, &chosen.face).unwrap_or_else(|| {
                self.newest = self.newest.saturating_add(1);
                self.newest
            });
        }
        self.state = State::Followed {
            last: chosen.face,
            region: chosen.region,
        };
        Ok(chosen.region)
    }

    /// Takes the landmarks' box and the region for the next frame. `false` when the face is somewhere else than the person
    /// could have gone: then the person is lost.
    pub fn follow(&mut self, pts_ns: i64, face: FaceBox, next: Region) -> bool {
        let is_same = match self.state {
            State::Followed { last, .. } => self.is_same(&last, &face),
            State::Nobody | State::Lost { .. } => false,
        };
        if is_same {
            self.state = State::Followed {
                last: face,
                region: next,
            };
        } else {
            self.lose(pts_ns);
        }
        is_same
    }

    /// The landmarks are not credible: the person is lost from this time on.
    pub fn lose(&mut self, pts_ns: i64) {
        if let State::Followed { last, .. } = self.state {
            self.state = State::Lost {
                last,
                since_ns: pts_ns,
            };
        }
    }

    /// Forgets every place but not the numbers: for a new source.
    pub fn reset(&mut self) {
        self.state = State::Nobody;
        self.places = [None; PLACES];
    }

    /// Keeps the place of the person who was lost, in the stead of the one longest away.
    fn remember_place(&mut self) {
        let State::Lost { last, since_ns } = self.state else {
            return;
        };
        let place = Place {
            number: self.number,
            last,
            since_ns,
        };
        let age = |slot: &Option<Place>| slot.map_or(i64::MIN, |place| place.since_ns);
        if let Some(slot) = self.places.iter_mut().min_by_key(|slot| age(slot)) {
            *slot = Some(place);
        }
    }

    /// The person whose remembered place the face overlaps most, who is not away any more then.
    fn take_place(&mut self, pts_ns: i64, face: &FaceBox) -> Option<u32> {
        let SubjectRules {
            return_ns,
            min_return_overlap,
            ..
        } = self.rules;
        let overlap = |slot: &Option<Place>| {
            slot.filter(|place| (0..=return_ns).contains(&pts_ns.saturating_sub(place.since_ns)))
                .map_or(0.0, |place| place.last.overlap(face))
        };
        let slot = self
            .places
            .iter_mut()
            .max_by(|a, b| overlap(a).total_cmp(&overlap(b)))
            .filter(|slot| overlap(slot) >= min_return_overlap)?;
        slot.take().map(|place| place.number)
    }

    /// The last place of a person who is still waited for.
    fn waited_for(&self, pts_ns: i64) -> Option<FaceBox> {
        match self.state {
            // A step back in time is a new source: nobody waits through it.
            State::Lost { last, since_ns } => (0..=self.rules.hold_ns)
                .contains(&pts_ns.saturating_sub(since_ns))
                .then_some(last),
            State::Followed { last, .. } => Some(last),
            State::Nobody => None,
        }
    }

    fn is_same(&self, last: &FaceBox, face: &FaceBox) -> bool {
        let side = last.size[0].max(last.size[1]);
        last.overlap(face) >= self.rules.min_overlap
            || distance(last, face) <= side * self.rules.max_step_sides
    }

    fn nearest(&self, last: &FaceBox, faces: &[Candidate]) -> Option<Candidate> {
        let same = faces
            .iter()
            .filter(|candidate| self.is_same(last, &candidate.face));
        same.min_by(|a, b| {
            let by_overlap = b.face.overlap(last).total_cmp(&a.face.overlap(last));
            by_overlap.then(distance(last, &a.face).total_cmp(&distance(last, &b.face)))
        })
        .copied()
    }
}

/// The largest face; of equal ones the leftmost, so that the order of the list does not matter.
fn largest(faces: &[Candidate]) -> Option<&Candidate> {
    faces.iter().max_by(|a, b| {
        let by_area = a.face.area().total_cmp(&b.face.area());
        by_area
            .then(b.face.corner[0].total_cmp(&a.face.corner[0]))
            .then(b.face.corner[1].total_cmp(&a.face.corner[1]))
    })
}

fn distance(a: &FaceBox, b: &FaceBox) -> f32 {
    let ([ax, ay], [bx, by]) = (a.center(), b.center());
    (ax - bx).hypot(ay - by)
}
