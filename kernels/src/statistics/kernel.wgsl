// Rows of scores to count, mean, deviation and percentiles; one group a row.
//   in: f32, values that are not finite are left out   out: 8 words a row, see Statistics
// v1 up to 16 values a thread: sums by halves, then a bitonic sort in shared memory, which first holds the parts of the sums
// tolerance: budget.toml; moves 4 B a value in, 32 B a row out

struct Row {
    first: u32,
    count: u32,
}

struct Params {
    rows: u32,
    padding_a: u32,
    padding_b: u32,
    padding_c: u32,
    places: array<Row, 64>,
}

struct Statistics {
    count: u32,
    mean: f32,
    deviation: f32,
    least: f32,
    p10: f32,
    median: f32,
    p90: f32,
    largest: f32,
}

@group(0) @binding(0) var<storage, read> params: Params;
// Bits of f32: what is not finite must not become a number on the way.
@group(0) @binding(1) var<storage, read> values: array<u32>;
@group(0) @binding(2) var<storage, read_write> statistics: array<Statistics>;

const THREADS: u32 = 256u;
const MOST: u32 = 4096u;
const EACH: u32 = 16u;
// Behind every score.
const MISSING: f32 = 3.4028234e38;
const EXPONENT: u32 = 0x7f800000u;

var<workgroup> sorted: array<f32, MOST>;

fn sum_of(part: f32, thread: u32) -> f32 {
    sorted[thread] = part;
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if thread < half {
            sorted[thread] += sorted[thread + half];
        }
    }
    workgroupBarrier();
    let total = sorted[0];
    workgroupBarrier();
    return total;
}

// The rank is a whole number and hundredths.
fn percentile(count: u32, percent: u32) -> f32 {
    let rank = (count - 1u) * percent;
    let index = rank / 100u;
    let share = f32(rank % 100u) / 100.0;
    let low = sorted[index];
    let high = sorted[min(index + 1u, count - 1u)];
    return select(high - (high - low) * (1.0 - share), low + share * (high - low), share < 0.5);
}

@compute @workgroup_size(256, 1, 1)
fn summarise_rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let row = params.places[group.x];
    var own: array<f32, EACH>;
    var has = 0u;
    var found = 0.0;
    var sum = 0.0;
    for (var k = 0u; k < EACH; k++) {
        let at = thread + k * THREADS;
        own[k] = MISSING;
        if at < row.count {
            let bits = values[row.first + at];
            if (bits & EXPONENT) != EXPONENT {
                own[k] = bitcast<f32>(bits);
                has |= 1u << k;
                found += 1.0;
                sum += own[k];
            }
        }
    }
    found = sum_of(found, thread);
    let mean = sum_of(sum, thread) / max(found, 1.0);
    var squares = 0.0;
    for (var k = 0u; k < EACH; k++) {
        let difference = select(0.0, own[k] - mean, (has >> k & 1u) == 1u);
        squares += difference * difference;
    }
    squares = sum_of(squares, thread);
    // The least power of two that holds the row.
    var size = 1u;
    while size < row.count {
        size *= 2u;
    }
    for (var k = 0u; k < EACH; k++) {
        if thread + k * THREADS < size {
            sorted[thread + k * THREADS] = own[k];
        }
    }
    for (var run = 2u; run <= size; run *= 2u) {
        for (var apart = run / 2u; apart > 0u; apart /= 2u) {
            workgroupBarrier();
            for (var pair = thread; pair < size / 2u; pair += THREADS) {
                let low = 2u * pair - (pair & (apart - 1u));
                let high = low + apart;
                let a = sorted[low];
                let b = sorted[high];
                if (a > b) == ((low & run) == 0u) {
                    sorted[low] = b;
                    sorted[high] = a;
                }
            }
        }
    }
    workgroupBarrier();
    if thread == 0u {
        let count = u32(found);
        if count == 0u {
            statistics[group.x] = Statistics(0u, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
            return;
        }
        statistics[group.x] = Statistics(
            count,
            mean,
            sqrt(squares / max(found - 1.0, 1.0)),
            sorted[0],
            percentile(count, 10u),
            percentile(count, 50u),
            percentile(count, 90u),
            sorted[count - 1u],
        );
    }
}
