//! Every fixed cap and buffer size, and how they relate.

/// Bytes of one receive buffer.
pub const RECEIVE_BUFFER_SIZE: usize = 16 * 1024;
/// Receive buffers per core: what all connections of a core may have received and not consumed.
pub const RECEIVE_BUFFERS: u16 = 512;
/// Sockets per core that are registered with its ring; later ones are named by descriptor.
pub const DIRECT_SOCKETS: u32 = 16 * 1024;
/// Unconsumed input of one connection above which the driver stops receiving from it.
pub const INPUT_PAUSE: usize = 4 * RECEIVE_BUFFER_SIZE;
/// Receive buffers one connection may hold on to; what comes on top is copied.
pub const LENT_MAX: usize = 4;
/// Commands that are parsed ahead and whose keys are prefetched before the first of them runs.
pub const GROUP: usize = 32;
/// Commands one connection may run before the others of its core get their turn.
pub const TURN_COMMANDS: usize = 512;
/// Unsent output of one client above which its commands wait, where no `client-output-buffer-limit`
/// says less.
pub const OUTPUT_PAUSE: usize = 256 * 1024 * 1024;
/// Output of more than this is reported to the session while it is being sent, so that limits see
/// it.
pub const UNSENT_REPORT: usize = 64 * 1024;
/// A large argument's buffer grows by at least this much.
pub const BIG_RECEIVE_STEP: usize = 256 * 1024;
/// Capacity above which an emptied buffer is freed instead of kept for the next use.
pub const KEPT_BUFFER_MAX: usize = 64 * 1024;
/// Keys that the commands of one connection claim together, unless a single command has more.
pub const WAVE_KEYS: usize = 512;
/// Messages from one core to another that are published and not yet taken.
pub const MESH_QUEUE: usize = 1024;
/// Cores of one process: SCAN's cursor has ten bits for them.
pub const CORES_MAX: usize = 1 << 10;
/// Entries of flushed databases, or elements of large values, freed in one step.
pub const FREE_STEP: usize = 256;
/// Elements that a command on a large collection handles before others have their turn: some
/// hundred microseconds, most of which is waiting for memory.
pub const PORTION_ELEMENTS: usize = 4096;
/// Bytes of a reply after which others have their turn, however few elements they are.
pub const PORTION_BYTES: usize = 512 * 1024;
/// Bytes of the names that one connection may declare for HIMPORT.
pub const FIELDSETS_MAX: usize = 4 * 1024 * 1024;
/// Replies to other cores' commands that a mesh turn handles before connections get their turn.
pub const MESH_TURN: usize = 256;

const _: () = assert!(RECEIVE_BUFFERS.is_power_of_two(), "the kernel's buffer ring needs it");
const _: () = assert!(
    RECEIVE_BUFFER_SIZE * RECEIVE_BUFFERS as usize > 8 * INPUT_PAUSE,
    "a few stalled connections must not take all receive buffers"
);
