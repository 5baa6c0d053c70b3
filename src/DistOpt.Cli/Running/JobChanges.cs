using System.Globalization;
using System.Text.Json;

namespace DistOpt;

/// <summary>
/// What <c>watch</c> tells beside the rows: whom a job waits for, which servers have no backup, why more workers would not help. Each once until it
/// changes; a wait again when it has become twice as long.
/// </summary>
internal sealed class JobChanges(TextWriter writer)
{
    private const string Wait = "waiting_for";
    private const string Time = ", for ";

    /// <summary>Seconds; a wait of less is told once.</summary>
    private const int LongWait = 30;

    private static readonly (string Field, string Begins, string? Ends)[] Shown =
    [
        (Wait, "waits for", "waits no more"),
        ("unprotected", "without a backup:", "every server has a backup"),
        ("limit", "limit:", null),
    ];

    private readonly Dictionary<string, string> _last = [];

    /// <param name="job">As the API tells it.</param>
    public void Show(JsonElement job)
    {
        foreach (var (field, begins, ends) in Shown)
        {
            string? now = job.TryGetProperty(field, out var value) ? value.GetString() : null;
            string? before = _last.GetValueOrDefault(field);
            if (now == before || (field == Wait && IsNoNews(before, now))) continue;
            if (now is not null)
            {
                _last[field] = now;
                writer.WriteLine($"{begins} {now}");
            }
            else if (_last.Remove(field) && ends is not null)
            {
                writer.WriteLine(ends);
            }
        }
    }

    /// <summary>The text ends with for how long.</summary>
    private static bool IsNoNews(string? before, string? now)
    {
        if (before is null || now is null) return false;
        var (then, current) = (Split(before), Split(now));
        return then.Whom == current.Whom && current.Seconds < Math.Max(LongWait, 2 * then.Seconds);
    }

    private static (string Whom, int Seconds) Split(string text)
    {
        int at = text.LastIndexOf(Time, StringComparison.Ordinal);
        return at > 0 && int.TryParse(text.AsSpan(at + Time.Length).TrimEnd(" s"), NumberStyles.None, CultureInfo.InvariantCulture, out int seconds)
            ? (text[..at], seconds) : (text, 0);
    }
}
