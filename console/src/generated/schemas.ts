// Made from the types of `schemas/` by its test `console_types`; not to be edited.

/** Voice measures of a segment (math 10). Observational only; the default means nothing was measurable. */
export interface AcousticMetrics {
  /** F0 is usable in the measurement window. */
  f0_valid_measure: boolean;
  /** F0 is usable in the baseline window. */
  f0_valid_baseline: boolean;
  /** Jitter and shimmer are usable in the measurement window. */
  perturbation_valid_measure: boolean;
  /** Jitter and shimmer are usable in the baseline window. */
  perturbation_valid_baseline: boolean;
  /** Voiced time in the measurement window, seconds. */
  voiced_coverage_measure_s: number;
  /** Voiced time in the baseline window, seconds. */
  voiced_coverage_baseline_s: number;
  /** Mean F0 of the measurement window, Hz. */
  f0_mean_measure_hz: number | null;
  /** Mean F0 of the baseline window, Hz. */
  f0_mean_baseline_hz: number | null;
  /** Change of F0, semitones. */
  f0_delta_semitones: number | null;
  /** Jitter of the measurement window, a ratio. */
  jitter_mean_measure: number | null;
  /** Jitter of the baseline window, a ratio. */
  jitter_mean_baseline: number | null;
  /** Change of jitter. */
  jitter_delta: number | null;
  /** Shimmer of the measurement window, a ratio. */
  shimmer_mean_measure: number | null;
  /** Shimmer of the baseline window, a ratio. */
  shimmer_mean_baseline: number | null;
  /** Change of shimmer. */
  shimmer_delta: number | null;
}

/** An action unit of the Facial Action Coding System that is scored. */
export type ActionUnit = "AU1" | "AU2" | "AU12" | "AU25" | "AU26" | "AU45";

/** An alert. */
export interface Alert {
  /** Identity. */
  alert_id: string;
  /** Weight. */
  severity: Severity;
  /** Kind. */
  kind: AlertKind;
  /** One sentence. */
  message: string;
  /** Session concerned. */
  session_id: string | null;
  /** Part concerned. */
  subsystem_key: string | null;
  /** When. */
  emitted_at_utc: UtcInstant;
  /** Whether a person has seen it. */
  acknowledged: boolean;
}

/** Kind of an alert. */
export type AlertKind = "subsystem_degraded" | "subsystem_recovering" | "subsystem_error" | "physiology_stale" | "stimulus_failed" | "session_ended" | "data_gap";

/** An arm with its learned state. */
export interface Arm {
  /** Arm. */
  arm_id: string;
  /** What it says and expects. */
  stimulus_definition: StimulusDefinition;
  /** Posterior alpha. */
  posterior_alpha: number;
  /** Posterior beta. */
  posterior_beta: number;
  /** Posterior variance. */
  evaluation_variance: number | null;
  /** Times chosen. */
  selection_count: number;
  /** Mean of recent rewards. */
  recent_reward_mean: number | null;
  /** Share of recent open gates. */
  recent_semantic_pass_rate: number | null;
  /** Evidence at the newest decision. */
  decision_evidence: ArmDecision | null;
  /** Whether it may be drawn. */
  enabled: boolean;
  /** When it was disabled. */
  end_dated_at: UtcInstant | null;
}

/** Evidence of one arm at a decision. */
export interface ArmDecision {
  /** Arm. */
  arm_id: string;
  /** Alpha before any update. */
  pre_update_alpha: number;
  /** Beta before any update. */
  pre_update_beta: number;
  /** Its draw. */
  sampled_theta: number | null;
}

/** v2: answer to an attestation. */
export interface AttestAccepted {
  /** Session. */
  session_id: string;
  /** The stimulus attested. */
  stimulus_id: string;
  /** The action answered. */
  client_action_id: string;
  /** Whether it was taken. */
  accepted: boolean;
  /** When. */
  received_at_utc: UtcInstant;
  /** Remark. */
  message: string | null;
}

/** v2: body that attests (or denies) the delivery of a stimulus. */
export interface AttestRequest {
  /** The stimulus, by its client action; absent: the one waiting. */
  stimulus_id: string | null;
  /** Whether the streamer delivered it. */
  delivered: boolean;
  /** Fresh UUID per action. */
  client_action_id: string;
}

/** Attribution read-out of an encounter. */
export interface Attribution {
  /** `online_provisional` or `offline_final`. */
  finality: string | null;
  /** Ungated candidate reward in [0, 1]. */
  soft_reward_candidate: number | null;
  /** Mean AU12 before the stimulus. */
  au12_baseline_pre: number | null;
  /** P90 over that mean. */
  au12_lift_p90: number | null;
  /** Peak over that mean. */
  au12_lift_peak: number | null;
  /** Milliseconds from stimulus to peak. */
  au12_peak_latency_ms: number | null;
  /** Best lagged correlation. */
  sync_peak_corr: number | null;
  /** Its lag in bins. */
  sync_peak_lag: number | null;
  /** Seconds from stimulus to the linked outcome. */
  outcome_link_lag_s: number | null;
}

/** The neutral baseline as it is carried across an engine restart (math 4.4). */
export interface CalibrationState {
  /** Accepted calibration frames so far. */
  accepted: number;
  /** Sum of their ratios; the baseline is `ratio_sum / accepted`. */
  ratio_sum: number;
}

/** What maps a foreign clock onto ours, best first (device 6.2). */
export type ClockRung = "good" | "holdover" | "one_way" | "none";

/** Co-modulation read-out; a null index always carries a reason (math 9.3). */
export interface CoModulation {
  /** Session. */
  session_id: string;
  /** Index in [-1, 1]. */
  co_modulation_index: number | null;
  /** Paired minutes. */
  n_paired_observations: number;
  /** Paired share of the minutes present. */
  coverage_ratio: number;
  /** Mean RMSSD of the streamer, ms. */
  streamer_rmssd_mean: number | null;
  /** Mean RMSSD of the operator, ms. */
  operator_rmssd_mean: number | null;
  /** Why the index is null. */
  null_reason: string | null;
  /** Window start. */
  window_start_utc: UtcInstant | null;
  /** Window end. */
  window_end_utc: UtcInstant | null;
}

/** v2: a stretch of media that was not measured. */
export interface DataGap {
  /** Start. */
  from_utc: UtcInstant;
  /** End. */
  to_utc: UtcInstant;
  /** Stable code. */
  reason: string;
}

/** A decision as the operator sees it. `random_seed` exceeds 2^53: browsers must not read it as a double. */
export interface Decision {
  /** When. */
  selection_time_utc: UtcInstant;
  /** Chosen arm. */
  selected_arm_id: string;
  /** Policy. */
  policy_version: string;
  /** Hash of the context (math 7.7). */
  decision_context_hash: string;
  /** Seed of the draws. */
  random_seed: number;
  /** Evidence by arm. */
  arm_evidence: Array<ArmDecision>;
}

/** What a compute device did since it was opened. Counts only grow. */
export interface DeviceWork {
  /** Which one: `cpu`, `wgpu:0`, `cuda:0`; empty before it is open. */
  device: Text_16;
  /** Copies of host memory into the device's. */
  uploads: number;
  /** Bytes they moved. */
  upload_bytes: number;
  /** Copies of the device's memory to the host. */
  downloads: number;
  /** Bytes they moved. */
  download_bytes: number;
  /** Recorded chains of launches that were played; their launches are among those below. */
  replays: number;
  /** Launches by kernel; at most 64 kernels. */
  launches: Record<string, number>;
}

/** An encounter as `/api/v1` shows it. */
export interface Encounter {
  /** Identity. */
  encounter_id: string;
  /** Session. */
  session_id: string;
  /** End of its window. */
  segment_timestamp_utc: UtcInstant;
  /** State. */
  state: EncounterState;
  /** Arm shown. */
  active_arm: string | null;
  /** Expected response rule. */
  expected_response_text: string | null;
  /** Stimulus time. */
  stimulus_time_utc: UtcInstant | null;
  /** Semantic gate, 0 or 1. */
  semantic_gate: number | null;
  /** Its confidence. */
  semantic_confidence: number | null;
  /** Transcript, when kept. */
  observed_response_text: string | null;
  /** 90th percentile of AU12 in the measurement window. */
  p90_intensity: number | null;
  /** Reward. */
  gated_reward: number | null;
  /** Scored frames in the measurement window. */
  n_frames_in_window: number | null;
  /** Mean AU12 before the stimulus. */
  au12_baseline_pre: number | null;
  /** Acoustic set. */
  observational_acoustic: AcousticMetrics | null;
  /** Delivery judgement; null for attested encounters (v1 has no word for them). */
  semantic_evaluation: Semantic | null;
  /** Attribution read-out. */
  attribution: Attribution | null;
  /** Whether physiology was attached. */
  physiology_attached: boolean;
  /** Whether it was stale. */
  physiology_stale: boolean | null;
  /** Bounded remarks. */
  notes: Array<string>;
}

/** State of an encounter (math 6.5). */
export type EncounterState = "awaiting_stimulus" | "stimulus_issued" | "measuring" | "completed" | "rejected_no_frames" | "rejected_gate_closed";

/** What v2 adds to an encounter. */
export interface EncounterV2 {
  /** Identity. */
  encounter_id: string;
  /** Session. */
  session_id: string;
  /** End of its window. */
  segment_timestamp_utc: UtcInstant;
  /** State. */
  state: EncounterState;
  /** Arm shown. */
  active_arm: string | null;
  /** Expected response rule. */
  expected_response_text: string | null;
  /** Stimulus time. */
  stimulus_time_utc: UtcInstant | null;
  /** Semantic gate, 0 or 1. */
  semantic_gate: number | null;
  /** Its confidence. */
  semantic_confidence: number | null;
  /** Transcript, when kept. */
  observed_response_text: string | null;
  /** 90th percentile of AU12 in the measurement window. */
  p90_intensity: number | null;
  /** Reward. */
  gated_reward: number | null;
  /** Scored frames in the measurement window. */
  n_frames_in_window: number | null;
  /** Mean AU12 before the stimulus. */
  au12_baseline_pre: number | null;
  /** Acoustic set. */
  observational_acoustic: AcousticMetrics | null;
  /** Delivery judgement; null for attested encounters (v1 has no word for them). */
  semantic_evaluation: Semantic | null;
  /** Attribution read-out. */
  attribution: Attribution | null;
  /** Whether physiology was attached. */
  physiology_attached: boolean;
  /** Whether it was stale. */
  physiology_stale: boolean | null;
  /** Bounded remarks. */
  notes: Array<string>;
  /** State with our own words, e.g. `rejected_semantic_unavailable`, `rejected_data_gap`, `awaiting_attestation`. */
  state_v2: string;
  /** Whether the posterior was updated. */
  applied: boolean;
  /** Why not, when not. */
  skip_reason: string | null;
  /** How delivery was judged, e.g. `operator_attested`. */
  semantic_method: string | null;
  /** Probability with which the arm had been chosen. */
  propensity: number | null;
  /** Segment identity. */
  segment_id: string | null;
  /** Posterior after the update. */
  posterior_after: [number, number] | null;
}

/** Counters of the engine since its start. They only grow. */
export interface EngineCounters {
  /** Video frames that left the decoder. */
  frames_decoded: number;
  /** Frames analysed. */
  frames_analysed: number;
  /** Frames dropped because analysis was busy (newest wins). */
  frames_dropped: number;
  /** Runs of the landmark network. */
  mesh_inferences: number;
  /** Runs of the face detector. */
  detector_inferences: number;
  /** Frames without a face value. */
  frames_without_face: number;
  /** Times another person took over, who is scored against a baseline of their own. */
  face_takeovers: number;
  /** Signs of damaged media that were survived: damaged pictures and sound, breaks in the stream, access units without a picture, warnings of the demultiplexer. One damage may leave several. */
  decode_errors: number;
  /** Frames that a regular file promised and that never came, or came not any more because it was cut short. */
  frames_missing: number;
  /** Times the picture of a source changed its size or its format. */
  picture_changes: number;
  /** Copies of whole pictures by the processor between decoder and analysis: one for each frame that was taken, one more where it was converted; none where the decoder writes the memory of the GPU that analyses. */
  ingest_host_copies: number;
  /** Copies of whole pictures by a device between decoder and analysis: one for each frame that was taken into slots of a GPU; none where the decoder writes its memory. */
  ingest_device_copies: number;
  /** Sessions that ended because their source could not be opened or failed for good. */
  sources_failed: number;
  /** Times a live source failed and was opened again, or could not be. */
  source_losses: number;
  /** Audio blocks received. */
  audio_blocks: number;
  /** Voice activity inferences. */
  voice_inferences: number;
  /** Blocks or observations refused because their time stepped back or was not finite. */
  time_rejects: number;
  /** Rules compared with utterances. */
  semantic_scores: number;
  /** Comparisons refused because too many were waiting (the newest is refused). */
  semantic_refused: number;
  /** Segments cut. */
  segments: number;
  /** Messages dropped because the link was full (display ticks only). */
  link_drops: number;
  /** Times a paced file fell behind its own clock by more than one frame. */
  paced_lags: number;
  /** Offers of WebRTC peers that were answered. */
  peers_opened: number;
  /** Offers of WebRTC peers that were refused. */
  peers_refused: number;
  /** WebRTC peers that are gone, for whatever reason. */
  peers_closed: number;
  /** RTP packets sent to viewers. */
  viewer_packets: number;
  /** Payload bytes in them. */
  viewer_bytes: number;
  /** Access units that a viewer was not sent because it could not keep up (it goes on at the next key frame). */
  viewer_units_dropped: number;
  /** Key frames that viewers asked for. */
  viewer_key_requests: number;
  /** Observations that a newer one replaced before a viewer's data channel took them. */
  live_messages_dropped: number;
  /** Messages of viewers on their data channels, which are not read. */
  live_messages_ignored: number;
  /** Candidates of peers that were one too many or no candidates. */
  candidates_ignored: number;
  /** Pictures that were encoded for viewers. */
  viewer_frames_encoded: number;
  /** RTP packets taken from publishers. */
  publisher_packets: number;
  /** Packets of publishers that never came, or came too late. */
  publisher_packets_lost: number;
  /** Key frames that publishers were asked for. */
  publisher_key_requests: number;
  /** What the compute device did since the engine opened it, whatever session it was for. */
  device: DeviceWork;
}

/** v2: the media process. */
export interface EngineStatus {
  /** `starting`, `ok`, `recovering`, `circuit_open` or `stopped`. */
  state: string;
  /** Process id. */
  pid: number | null;
  /** Compute device and why. */
  device: string | null;
  /** Deaths since the server started. */
  deaths: number;
  /** Why it died last. */
  last_exit: string | null;
  /** Models by name. */
  models: Record<string, string>;
  /** Counters since the engine started. */
  counters: EngineCounters;
  /** Access unit to observation, milliseconds: median and 95th percentile. */
  observation_latency_ms: [number, number] | null;
  /** WebRTC peers now. */
  peers: PeerGauges;
  /** How the source of the open session is, where it says so itself. */
  source?: SourceReport | null;
}

/** One server-sent event. */
export interface EventEnvelope {
  /** Identity, equal to the frame id. */
  event_id: string;
  /** Type, equal to the frame event. */
  event_type: EventType;
  /** Position in the stream. */
  cursor: string;
  /** When. */
  generated_at_utc: UtcInstant;
  /** Same model as the matching GET. */
  payload: unknown;
}

/** Type of a state event. */
export type EventType = "overview" | "sessions" | "live_session" | "encounters" | "experiment_summaries" | "experiment" | "physiology" | "health" | "alerts" | "readback";

/** An experiment with its arms. */
export interface ExperimentDetail {
  /** Code. */
  experiment_id: string;
  /** Name. */
  label: string | null;
  /** Arm in force. */
  active_arm_id: string | null;
  /** Newest decision. */
  decision_evidence: Decision | null;
  /** Arms by id. */
  arms: Array<Arm>;
  /** One sentence on the newest update. */
  last_update_summary: string | null;
  /** Last change. */
  last_updated_utc: UtcInstant | null;
}

/** An experiment in a list. */
export interface ExperimentSummary {
  /** Code. */
  experiment_id: string;
  /** Name. */
  label: string | null;
  /** Arm in force in the live session. */
  active_arm_id: string | null;
  /** Number of arms. */
  arm_count: number;
  /** Last change. */
  last_updated_utc: UtcInstant | null;
  /** Newest reward. */
  latest_reward: number | null;
}

/** Head rotation in degrees. Yaw is positive when the head turns to the picture's right, pitch when it looks up, roll when it tilts clockwise in the picture. */
export interface HeadPose {
  /** Rotation about the vertical axis. */
  yaw_deg: number;
  /** Rotation about the horizontal axis. */
  pitch_deg: number;
  /** Rotation about the viewing axis. */
  roll_deg: number;
}

/** Health of the whole. */
export interface Health {
  /** When. */
  generated_at_utc: UtcInstant;
  /** Worst of the required parts. */
  overall_state: HealthState;
  /** Parts. */
  subsystems: Array<Subsystem>;
  /** Probes by subsystem key. */
  subsystem_probes: Record<string, Probe>;
  /** Parts that are degraded. */
  degraded_count: number;
  /** Parts that are recovering. */
  recovering_count: number;
  /** Parts in error. */
  error_count: number;
}

/** Health of a part or of the whole. */
export type HealthState = "ok" | "recovering" | "degraded" | "error" | "unknown";

/** The newest encounter on the overview: an [`Encounter`] without its personal parts. */
export interface LatestEncounter {
  /** Identity. */
  encounter_id: string;
  /** Session. */
  session_id: string;
  /** End of its window. */
  segment_timestamp_utc: UtcInstant;
  /** State. */
  state: EncounterState;
  /** Arm shown. */
  active_arm: string | null;
  /** Expected response rule. */
  expected_response_text: string | null;
  /** Stimulus time. */
  stimulus_time_utc: UtcInstant | null;
  /** Semantic gate, 0 or 1. */
  semantic_gate: number | null;
  /** 90th percentile of AU12. */
  p90_intensity: number | null;
  /** Reward. */
  gated_reward: number | null;
  /** Scored frames in the measurement window. */
  n_frames_in_window: number | null;
  /** Acoustic set. */
  observational_acoustic: AcousticMetrics | null;
  /** Delivery judgement. */
  semantic_evaluation: Semantic | null;
  /** Attribution read-out. */
  attribution: Attribution | null;
}

/** Answer to start and end. */
export interface LifecycleAccepted {
  /** `start` or `end`. */
  action: string;
  /** Session. */
  session_id: string;
  /** The action answered. */
  client_action_id: string;
  /** Whether the intent was taken. */
  accepted: boolean;
  /** When. */
  received_at_utc: UtcInstant;
  /** Remark. */
  message: string | null;
}

/** v2: what is going on in the open session right now. */
export interface LiveReadback {
  /** When. */
  generated_at_utc: UtcInstant;
  /** Session. */
  session: Session;
  /** Source address. */
  source_url: string;
  /** UTC of media time zero, once media runs. */
  epoch_utc: UtcInstant | null;
  /** State of the source. */
  source_state: string;
  /** How the source is and how its clock stands, where it says so itself, as a phone does. */
  source?: SourceReport | null;
  /** Newest visual and voice state. */
  visual: VisualTick | null;
  /** State of the running encounter. */
  encounter_state: string;
  /** The running stimulus. */
  stimulus_id: string | null;
  /** Its time. */
  stimulus_time_utc: UtcInstant | null;
  /** Newest encounters. */
  encounters: Array<EncounterV2>;
  /** Newest segments, each with the source's clock over it. */
  segments: Array<SegmentV2>;
  /** Stretches without data. */
  data_gaps: Array<DataGap>;
}

/** Why a frame, window or feature has no value. Absence is data: it is never replaced by a zero. */
export type NullReason = "no_face" | "face_lost" | "low_confidence" | "degenerate_geometry" | "non_finite" | "model_unavailable" | "network_failure" | "not_calibrated";

/** The overview page. */
export interface Overview {
  /** When. */
  generated_at_utc: UtcInstant;
  /** Open session. */
  active_session: Session | null;
  /** Newest encounter. */
  latest_encounter: LatestEncounter | null;
  /** Its experiment. */
  experiment_summary: ExperimentSummary | null;
  /** Its physiology. */
  physiology: Physiology | null;
  /** Health. */
  health: Health | null;
  /** Newest alerts, up to 20. */
  alerts: Array<Alert>;
}

/** Peers as they are now. */
export interface PeerGauges {
  /** Viewers that were connected and are not given up: one that is silent for some seconds is still sent pictures. */
  viewers: number;
  /** Publishers likewise. */
  publishers: number;
  /** Peers that are not connected yet. */
  connecting: number;
}

/** A phone and what its streams carry. Counters begin when the source is opened. */
export interface PhoneReport {
  /** Its serial. */
  serial: Text_128;
  /** Its model; empty before it was told. */
  model: Text_64;
  /** Version of the server that runs on it. */
  server_version: Text_16;
  /** Width and height of its pictures in pixels; `None` before they were told. */
  resolution: [number, number] | null;
  /** Pictures per second that arrive. */
  fps: number | null;
  /** Bits of pictures per second that arrive. */
  bit_rate_bps: number | null;
  /** Pictures that arrived too late to be live. */
  pictures_late: number;
  /** Pictures lost up to the next key because nobody took them in time. */
  pictures_dropped: number;
  /** Pictures that were no pictures, and those behind them up to the next key. */
  pictures_corrupt: number;
  /** Blocks of sound lost because nobody took them in time. */
  sound_dropped: number;
  /** Sample frames that never arrived and stand as silence. */
  sound_silent_frames: number;
  /** Sessions that were begun on it. */
  sessions: number;
}

/** Physiology of a session. */
export interface Physiology {
  /** Session. */
  session_id: string;
  /** Newest snapshot of the streamer. */
  streamer: RoleSnapshot | null;
  /** Newest snapshot of the operator. */
  operator: RoleSnapshot | null;
  /** Co-modulation. */
  comodulation: CoModulation | null;
  /** When. */
  generated_at_utc: UtcInstant;
}

/** v2: a stimulus known before the session runs. */
export interface PlannedStimulusRequest {
  /** Seconds of media time. */
  offset_s: number;
  /** Whether the operator attests its delivery. */
  attested: boolean;
}

/** A diagnostic probe. */
export interface Probe {
  /** Subsystem it belongs to. */
  subsystem_key: string;
  /** Name for people. */
  label: string;
  /** `ok`, `error`, `timeout`, `not_configured` or `unknown`. */
  state: string;
  /** Duration. */
  latency_ms: number | null;
  /** One sentence. */
  detail: string | null;
  /** When. */
  checked_at_utc: UtcInstant;
}

/** Error body: `detail` in the older form, a stable code and the next step. */
export interface Problem {
  /** Text, or a list of field errors for 422. */
  detail: unknown;
  /** Stable code. */
  code: string;
  /** What to do next. */
  hint: string | null;
}

/** Newest physiology of one role. */
export interface RoleSnapshot {
  /** `streamer` or `operator`. */
  subject_role: string;
  /** RMSSD in ms. */
  rmssd_ms: number | null;
  /** Heart rate per minute. */
  heart_rate_bpm: number | null;
  /** Provider. */
  provider: string | null;
  /** Source time. */
  source_timestamp_utc: UtcInstant | null;
  /** Age in seconds. */
  freshness_s: number | null;
  /** Whether too old. */
  is_stale: boolean | null;
}

/** How a source's clock stood against the host's over a window. Absent where the source has no clock of its own. */
export interface SegmentClock {
  /** The worst rung of the window. */
  state: ClockRung;
  /** The host's wall clock minus the source's, seconds, at the end of the window; `None` when it was not asked for 300 s. */
  offset_s: number | null;
  /** Its rate against the host's at the end of the window, millionths; positive runs fast. */
  drift_ppm: number | null;
  /** Greatest error bound that was stated in the window, milliseconds; `None` when none was. */
  uncertainty_ms: number | null;
}

export type SegmentId = string;

/** v2: a closed 30 s window. */
export interface SegmentV2 {
  /** Identity by hash. */
  segment_id: SegmentId;
  /** Which rule cut it: `grid` or `stimulus`. */
  kind: string;
  /** First instant. */
  window_start_utc: UtcInstant;
  /** Last instant. */
  window_end_utc: UtcInstant;
  /** Frames analysed in it. */
  n_frames: number;
  /** AU12 values in it. */
  n_observations: number;
  /** Statistics of each action unit that was scored in it; empty for segments of before version 7 of the store. */
  action_units: Array<UnitStatistics>;
  /** Seconds of speech; null without sound or without a voice model. */
  speech_s: number | null;
  /** How the source's clock stood over the window: offset, drift and error bound; null where the source has no clock of its own. */
  clock: SegmentClock | null;
  /** Stretches without data. */
  data_gaps: Array<DataGap>;
}

/** Delivery judgement of an encounter. */
export interface Semantic {
  /** Bounded reason code. */
  reasoning: string;
  /** Whether the stimulus was delivered. */
  is_match: boolean | null;
  /** Confidence in [0, 1]. */
  confidence_score: number | null;
  /** Method code. */
  semantic_method: string;
  /** Method version. */
  semantic_method_version: string | null;
}

/** A session as the operator sees it. */
export interface Session {
  /** Identity. */
  session_id: string;
  /** Open or closed. */
  status: SessionStatus;
  /** Start. */
  started_at_utc: UtcInstant;
  /** End, null while open. */
  ended_at_utc: UtcInstant | null;
  /** Seconds from start to end, or to now while open. */
  duration_s: number | null;
  /** Experiment code. */
  experiment_id: string | null;
  /** Arm in force. */
  active_arm: string | null;
  /** Expected response rule of that arm. */
  expected_response_text: string | null;
  /** Whether the neutral baseline is still being measured. */
  is_calibrating: boolean | null;
  /** Accepted calibration frames. */
  calibration_frames_accumulated: number | null;
  /** Needed calibration frames. */
  calibration_frames_required: number | null;
  /** End of the newest committed segment. */
  last_segment_completed_at_utc: UtcInstant | null;
  /** Reward of the newest encounter. */
  latest_reward: number | null;
  /** Semantic gate of the newest encounter, 0 or 1. */
  latest_semantic_gate: number | null;
}

/** Body that starts a session. */
export interface SessionCreate {
  /** Source address with a scheme, e.g. `demo:presenter`. */
  stream_url: string;
  /** Experiment code. */
  experiment_id: string;
  /** Fresh UUID per action; a repeat gets the first answer. */
  client_action_id: string;
  /** v2: UTC of media time zero, for replay. */
  epoch_utc?: UtcInstant | null;
  /** v2: stimuli known in advance. */
  planned_stimuli?: Array<PlannedStimulusRequest>;
}

/** Body that ends a session. */
export interface SessionEnd {
  /** Fresh UUID per action. */
  client_action_id: string;
}

/** State of a session row. */
export type SessionStatus = "active" | "ended" | "active conflict";

/** Weight of an alert. */
export type Severity = "info" | "warning" | "critical";

/** How a source's clock stands against the host's. */
export interface SourceClockReport {
  /** What maps it: `good`, `one_way`, `holdover` or `none`. */
  state: Text_16;
  /** The host's wall clock minus the source's, seconds; `None` when it was not asked for 300 s. */
  offset_s: number | null;
  /** Its rate against the host's, millionths; positive runs fast. */
  drift_ppm: number | null;
  /** Error bound of its times, milliseconds. */
  uncertainty_ms: number | null;
  /** Least round trip of the last minute, milliseconds. */
  round_trip_ms: number | null;
}

/** How a source outside the engine is. */
export interface SourceReport {
  /** `unknown`, `recovering`, `degraded`, `error` or `ok`. */
  state: Text_16;
  /** Where it is and why. */
  detail: Text_128;
  /** What the operator can do; empty when nothing has to be done. */
  hint: Text_256;
  /** Its clock, where it has one of its own. */
  clock: SourceClockReport | null;
  /** The phone, where it is one and has been seen. */
  phone?: PhoneReport | null;
}

/** Everything a client needs at once. */
export interface StateBootstrap {
  /** When. */
  generated_at_utc: UtcInstant;
  /** Overview. */
  overview: Overview;
  /** Newest 50 sessions. */
  sessions: Array<Session>;
  /** Open session. */
  live_session: Session | null;
  /** Newest 100 encounters of the open session. */
  encounters: Array<Encounter>;
  /** Experiments. */
  experiment_summaries: Array<ExperimentSummary>;
  /** Experiment of the open session. */
  experiment: ExperimentDetail | null;
  /** Physiology of the open session. */
  physiology: Physiology | null;
  /** Health. */
  health: Health;
  /** Newest 50 alerts. */
  alerts: Array<Alert>;
}

/** v2: one line of truth about the running server. */
export interface Status {
  /** When. */
  generated_at_utc: UtcInstant;
  /** Version and build identity. */
  version: string;
  /** Build identity. */
  build_id: string;
  /** Server process id. */
  server_pid: number;
  /** Seconds since start. */
  uptime_s: number;
  /** Engine state. */
  engine: EngineStatus;
  /** Health of the whole. */
  overall_state: HealthState;
  /** Open session. */
  session_id: string | null;
  /** Rows by table. */
  rows: Record<string, number>;
  /** What start-up recovery found. */
  recovery: Array<string>;
}

/** Answer to a stimulus. */
export interface StimulusAccepted {
  /** Session. */
  session_id: string;
  /** The action answered. */
  client_action_id: string;
  /** Whether it was taken. */
  accepted: boolean;
  /** When. */
  received_at_utc: UtcInstant;
  /** Time on the session clock, null until the media plane stamped it. */
  stimulus_time_utc: UtcInstant | null;
  /** Remark. */
  message: string | null;
}

/** What is presented and what counts as delivered and answered. */
export interface StimulusDefinition {
  /** Kind of prompt. */
  stimulus_modality: StimulusModality;
  /** Content. */
  stimulus_payload: StimulusPayload;
  /** What the transcript must show for the stimulus to count as delivered, at most 1000 characters. */
  expected_stimulus_rule: string;
  /** What counts as a response, at most 1000 characters. */
  expected_response_rule: string;
}

/** Kind of prompt given to the person in front of the camera. */
export type StimulusModality = "spoken_greeting" | "written_comment" | "gift" | "follow" | "question" | "cta" | "product_pitch" | "discount_offer" | "profile_interaction" | "dm_follow_up" | "other";

/** Content of a stimulus. */
export interface StimulusPayload {
  /** Always `text`. */
  content_type: string;
  /** Words to say or show, 1 to 2000 characters. */
  text: string;
}

/** Body that gives a stimulus. */
export interface StimulusRequest {
  /** Remark of the operator, at most 500 characters. */
  operator_note: string | null;
  /** Fresh UUID per action; a repeat gets the first answer. */
  client_action_id: string;
}

/** One part of the system. */
export interface Subsystem {
  /** Stable key. */
  subsystem_key: string;
  /** Name for people. */
  label: string;
  /** State. */
  state: HealthState;
  /** Last sign of life. */
  last_success_utc: UtcInstant | null;
  /** One sentence. */
  detail: string | null;
  /** What is being done about it. */
  recovery_mode: string | null;
  /** What a person can do about it. */
  operator_action_hint: string | null;
}

export type Text_128 = string;

export type Text_16 = string;

export type Text_256 = string;

export type Text_64 = string;

/** The scores of one action unit over a window. For display: what rewards are made from is computed from the scores themselves. */
export interface UnitStatistics {
  /** Which unit. */
  unit: ActionUnit;
  /** Frames with a score, at least 1. */
  frames: number;
  /** Mean score, 0 to 1. */
  mean: number;
  /** Sample standard deviation. */
  deviation: number;
  /** 10th percentile. */
  p10: number;
  /** Median. */
  median: number;
  /** 90th percentile. */
  p90: number;
  /** Largest score. */
  largest: number;
}

/** RFC 3339 instant with an offset */
export type UtcInstant = string;

/** State of the visual analysis (math 4.6). */
export type VisualStatus = "waiting_for_face" | "calibrating" | "ready" | "post_stimulus" | "no_session";

/** Light copy of the newest observation that crosses the link at display rate. */
export interface VisualTick {
  /** Session it belongs to. */
  session_id: string;
  /** Observation time in epoch seconds on the session clock. */
  timestamp_s: number;
  /** Display state. */
  status: VisualStatus;
  /** Whether a face was measured in the newest frame. */
  face_present: boolean;
  /** Why not, when not. */
  absent: NullReason | null;
  /** Calibration progress. */
  calibration: CalibrationState;
  /** Bounded AU12 score of the newest scored frame. */
  au12: number | null;
  /** Head rotation of the newest measured face. */
  pose: HeadPose | null;
  /** Newest voice state. */
  voice: VoiceObservation | null;
}

/** State of the voice at one instant. */
export interface VoiceObservation {
  /** Media time in nanoseconds of the end of the analysed chunk. */
  pts_ns: number;
  /** Speech probability, 0 to 1; `None` when the model is not installed. */
  speech_probability: number | null;
  /** Speech state after hysteresis. */
  speaking: boolean;
  /** Root mean square level in dB relative to full scale, at least -120. */
  rms_dbfs: number;
  /** Peak level in dB relative to full scale, at least -120. */
  peak_dbfs: number;
  /** Fundamental frequency in Hz, 75 to 600; `None` when unvoiced. For display: the final track may differ. */
  pitch_hz: number | null;
  /** The harmonic of `pitch_hz` that the spectrum has for a fundamental: 1; or 2 to 5, where the pitch is likely so many times as high (math 17, B10). */
  pitch_harmonic: number;
}
