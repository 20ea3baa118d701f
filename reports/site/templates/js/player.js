// Plays several videos in sync. The longest is the clock; others that lag are moved to its time.
const MAX_LAG_S = 0.12;

class Player {
  // `onTime` is called with the time in seconds whenever it changes, `onState` with playing or not.
  constructor(onTime, onState) {
    this.onTime = onTime;
    this.onState = onState;
    this.videos = [];
    this.playing = false;
    this.time = 0;
  }

  load(videos) {
    this.pause();
    this.videos = videos;
    this.seek(0);
  }

  // Plays on without a video that cannot be played.
  drop(video) {
    this.videos = this.videos.filter((other) => other !== video);
  }

  get clock() {
    return this.videos.reduce((a, b) => (b.duration > (a?.duration ?? 0) ? b : a), this.videos[0]);
  }

  play() {
    if (!this.clock) return;
    if (this.clock.ended) this.seek(0);
    this.playing = true;
    this.onState(true);
    // play() rejects when the video is removed or missing; its card says so.
    for (const video of this.videos) video.play().catch(() => {});
    requestAnimationFrame(() => this.follow());
  }

  pause() {
    this.playing = false;
    this.onState(false);
    for (const video of this.videos) video.pause();
  }

  seek(time) {
    this.time = time;
    for (const video of this.videos) video.currentTime = time;
    this.onTime(time);
  }

  follow() {
    if (!this.playing) return;
    const clock = this.clock;
    if (!clock || clock.ended) {
      this.pause();
      return;
    }
    this.time = clock.currentTime;
    for (const video of this.videos) {
      const lag = Math.abs(video.currentTime - this.time);
      if (video !== clock && !video.ended && !video.seeking && lag > MAX_LAG_S) video.currentTime = this.time;
    }
    this.onTime(this.time);
    requestAnimationFrame(() => this.follow());
  }
}
