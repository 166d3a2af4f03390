// Calls of generateVideo, as a user of the AI SDK writes them: node make_videos.mjs AI ALIBABA <calls.json
// calls.json: {"base": URL, "calls": [options of generateVideo, whose model is an id]}; they run side by side.
// `download: false` leaves downloading to the SDK. Prints the outcomes in the order of the calls.
const [ai, alibaba] = process.argv.slice(2);
const { experimental_generateVideo: generateVideo } = await import(ai);
const { createAlibaba } = await import(alibaba);

let text = '';
for await (const piece of process.stdin) text += piece;
const { base, calls } = JSON.parse(text);
const provider = createAlibaba({ apiKey: 'sk-any-key-will-do', videoBaseURL: base });
globalThis.AI_SDK_LOG_WARNINGS = false;

// The SDK itself fetches nothing from this machine.
const download = async ({ url }) => {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return { data: new Uint8Array(await answer.arrayBuffer()), mediaType: answer.headers.get('content-type') };
};

const made = async ({ model, download: wanted = true, providerOptions, ...options }) => {
  try {
    const { video, warnings, providerMetadata } = await generateVideo({
      model: provider.video(model),
      providerOptions: { alibaba: { pollIntervalMs: 50, ...providerOptions } },
      poll: { intervalMs: 50 },
      maxRetries: 0,
      ...(wanted ? { download } : {}),
      ...options,
    });
    return { mediaType: video.mediaType, base64: video.base64, warnings, metadata: providerMetadata.alibaba };
  } catch (error) {
    return { error: String(error), status: error.statusCode };
  }
};

process.stdout.write(JSON.stringify(await Promise.all(calls.map(made))));
