/* The page in a frame of a notebook's output. The frame is made once. The page is told of changes
   that Python makes, and tells of its own. */

export default {
  render({ model, el }) {
    const frame = document.createElement("iframe");
    let fromPage = null; // the values that the page sent last, which it need not be told
    frame.title = "Explorer of a computational graph";
    frame.setAttribute("sandbox", "allow-scripts");
    frame.style.cssText = "width: 100%; border: 0";
    const size = () => (frame.style.height = `${model.get("height")}px`);
    const open = () => (frame.srcdoc = model.get("page"));
    const tell = () => {
      if (model.get("values") !== fromPage) frame.contentWindow?.postMessage({ tinygrad: model.get("values") }, "*");
    };
    const hear = ({ source, data }) => {
      if (source !== frame.contentWindow || data?.tinygrad === undefined) return;
      fromPage = data.tinygrad;
      model.set("values", fromPage);
      model.save_changes();
    };
    const loaded = () => {
      fromPage = null;
      tell(); // from now on the page answers
    };
    frame.addEventListener("load", loaded);
    window.addEventListener("message", hear);
    model.on("change:values", tell);
    model.on("change:height", size);
    model.on("change:page", open);
    size();
    open();
    el.append(frame);
    return () => {
      window.removeEventListener("message", hear);
      model.off("change:values", tell);
      model.off("change:height", size);
      model.off("change:page", open);
    };
  },
};
