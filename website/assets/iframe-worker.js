// Browsers start no worker from a file. Where the pages are opened from a folder, a hidden frame takes its place.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.waiting = [];
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.title = "search";
      frame.onload = () => this.begin(frame, address);
      document.documentElement.append(frame);
    }

    begin(frame, address) {
      frame.onload = null;
      const inside = frame.contentWindow;
      inside.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }));
      const script = inside.document.createElement("script");
      script.src = address;
      script.onload = () => {
        this.postMessage = data => inside.dispatchEvent(new MessageEvent("message", { data }));
        this.waiting.forEach(this.postMessage);
      };
      inside.document.head.append(script);
    }

    postMessage(data) {
      this.waiting.push(data);
    }
  };
}
