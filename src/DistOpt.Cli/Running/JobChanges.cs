using System.Text.Json;

namespace DistOpt;

/// <summary>
/// What <c>watch</c> tells beside the rows: whom a job waits for, which servers have no backup, why more workers would not help. Each once until it
/// changes.
/// </summary>
internal sealed class JobChanges(TextWriter writer)
{
    private static readonly (string Field, string Begins, string? Ends)[] Shown =
    [
        ("waiting_for", "waits for", "waits no more"),
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
            if (now == before || IsSameWait(field, before, now)) continue;
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

    /// <summary>The text ends with for how long; a longer one is no news.</summary>
    private static bool IsSameWait(string field, string? before, string? now) => field == "waiting_for" && before is not null && now is not null
        && WithoutTime(before) == WithoutTime(now);

    private static string WithoutTime(string text) => text.LastIndexOf(", for ", StringComparison.Ordinal) is > 0 and var at ? text[..at] : text;
}
