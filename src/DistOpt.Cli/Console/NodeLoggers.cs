using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using DistOpt.Hosting.Cluster;
using Microsoft.Extensions.Logging;

namespace DistOpt;

/// <summary>Log lines of a node, one to a line, for people or as JSON objects; with the ids of the scopes that they were written in.</summary>
internal sealed class NodeLoggers(TextWriter writer, TimeProvider time, LogLevel level, LogFormat format) : ILoggerFactory
{
    /// <summary>Fields of every JSON line; a scope or argument of such a name is kept under <c>fields</c>.</summary>
    private static readonly string[] s_own = ["time", "level", "category", "event", "message", "exception", "fields"];

    private readonly LoggerExternalScopeProvider _scopes = new();

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("these loggers write to one place");

    public void Dispose() { }

    private sealed class Logger(NodeLoggers owner, string category) : ILogger
    {
        /// <summary>The web server tells each request under "information": that is detail here.</summary>
        private readonly int _shift = category.StartsWith("Microsoft.", StringComparison.Ordinal) ? 1 : 0;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => owner._scopes.Push(state);

        public bool IsEnabled(LogLevel level) => level != LogLevel.None && owner.Enabled(level - _shift);

        public void Log<TState>(LogLevel level, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (!IsEnabled(level)) return;
            owner.Write(level, category, eventId, state as IEnumerable<KeyValuePair<string, object?>>, formatter(state, exception), exception);
        }
    }

    private bool Enabled(LogLevel asked) => asked >= level && asked != LogLevel.None;

    private void Write(LogLevel at, string category, EventId id, IEnumerable<KeyValuePair<string, object?>>? arguments, string text, Exception? exception)
    {
        var ids = new Dictionary<string, object?>(StringComparer.Ordinal);
        // an inner scope wins over an outer one
        _scopes.ForEachScope((scope, all) =>
        {
            if (scope is not IEnumerable<KeyValuePair<string, object?>> pairs) return;
            foreach (var (key, value) in pairs)
                if (key != "{OriginalFormat}") all[key] = value;
        }, ids);
        string line = format == LogFormat.Json ? Json(at, category, id, ids, arguments, text, exception) : Text(at, category, ids, text, exception);
        lock (writer) writer.WriteLine(line);
    }

    private string Text(LogLevel at, string category, Dictionary<string, object?> ids, string text, Exception? exception)
    {
        string where = ids.Count == 0 ? "" : $" [{string.Join(' ', ids.Select(i => string.Create(CultureInfo.InvariantCulture, $"{i.Key}={i.Value}")))}]";
        string line = $"{time.GetUtcNow():yyyy-MM-dd HH:mm:ss.fff} {at.ToString().ToLowerInvariant()} {category}{where}: {text}";
        return exception is null ? line : line + Environment.NewLine + exception;
    }

    private string Json(LogLevel at, string category, EventId id, Dictionary<string, object?> ids,
        IEnumerable<KeyValuePair<string, object?>>? arguments, string text, Exception? exception)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("time", time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
            json.WriteString("level", at.ToString().ToLowerInvariant());
            json.WriteString("category", category);
            if (id.Id != 0) json.WriteNumber("event", id.Id);
            json.WriteString("message", text);
            foreach (var (key, value) in ids)
                if (!s_own.Contains(key)) Value(json, key, value);
            var fields = (arguments ?? []).Where(a => a.Key != "{OriginalFormat}").Concat(ids.Where(i => s_own.Contains(i.Key)))
                .DistinctBy(a => a.Key, StringComparer.Ordinal).ToList();
            if (fields.Count > 0)
            {
                json.WriteStartObject("fields");
                foreach (var (key, value) in fields) Value(json, key, value);
                json.WriteEndObject();
            }
            if (exception is not null) json.WriteString("exception", exception.ToString());
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void Value(Utf8JsonWriter json, string key, object? value)
    {
        switch (value)
        {
            case null: json.WriteNull(key); break;
            case bool flag: json.WriteBoolean(key, flag); break;
            case int or long or short or byte: json.WriteNumber(key, Convert.ToInt64(value, CultureInfo.InvariantCulture)); break;
            case double number when double.IsFinite(number): json.WriteNumber(key, number); break;
            case float number when float.IsFinite(number): json.WriteNumber(key, number); break;
            default: json.WriteString(key, Convert.ToString(value, CultureInfo.InvariantCulture)); break;
        }
    }
}
