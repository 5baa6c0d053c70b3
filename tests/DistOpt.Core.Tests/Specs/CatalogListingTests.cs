using DistOpt.Core.Specs;
using static DistOpt.Core.Tests.Specs.TestCatalogs;

namespace DistOpt.Core.Tests.Specs;

public sealed class CatalogListingTests
{
    [Fact]
    public void An_entry_is_listed_with_its_fields()
    {
        var models = CatalogListing.Find(All, "model");

        Assert.Equal(("models", "model"), (models.Name, models.Kind));
        Assert.Equal(["mlp", "cnn", "linear"], models.Entries.Select(e => e.Name));
        Assert.Equal(
        [
            new FieldListing("hidden", "list of int", "[256, 128]", "between 1 and 100000", "Sizes of the hidden layers"),
            new FieldListing("activation", "relu | gelu | leaky-relu", "relu", null, "Activation after each hidden layer"),
            new FieldListing("dropout", "float", "0.0", "between 0 and 0.95", null),
        ], models.Entries[0].Fields);
        Assert.Equal(["weights", "freeze"], models.CommonFields.Select(f => f.Name));
        Assert.Equal("text or null", models.CommonFields[0].Type);
    }

    [Fact]
    public void A_field_that_must_be_given_has_no_default() =>
        Assert.Equal(new FieldListing("path", "text", null, null, null), CatalogListing.Find(All, "datasets").Entries[2].Fields[0]);

    [Fact]
    public void Every_catalogue_is_listed_and_an_unknown_one_named()
    {
        Assert.Equal(All.All.Select(c => c.Name), CatalogListing.All(All).Select(c => c.Name));
        Assert.Equal(["'optimiser' is neither a kind of plug-in nor a section of a spec. Available: models, datasets, augmentations, losses, metrics, optimizers, "
            + "averagings, schedules, batches, consistencies, samplers, trial-schedulers, pruners, sections, and by themselves regularization, clip, training, "
            + "evaluate, select, stop, checkpoint, storage, study. Did you mean 'optimizers'?"], Errors(() => CatalogListing.Find(All, "optimiser")));
    }

    [Fact]
    public void Sections_of_a_spec_are_listed_as_plugins_are_together_or_by_themselves()
    {
        var sections = CatalogListing.Find(All, "sections");
        var clip = CatalogListing.Find(All, "clip");

        Assert.Equal(sections.Entries.Select(e => e.Name), CatalogListing.Sections(All).Entries.Select(e => e.Name));
        Assert.Equal("clip", Assert.Single(clip.Entries).Name);
        Assert.Contains(clip.Entries[0].Fields, f => f is { Name: "global_norm", Type: "float or null" });
        Assert.Contains(CatalogListing.Find(All, "stop").Entries[0].Fields, f => f.Name == "patience.min_delta");
        Assert.Contains(CatalogListing.Find(All, "study").Entries[0].Fields, f => f.Name == "objectives[].direction");
        Assert.All(sections.Entries.SelectMany(e => e.Fields), f => Assert.False(string.IsNullOrEmpty(f.Description), f.Name));
    }

    [Fact]
    public void What_a_list_holds_is_listed_with_its_fields()
    {
        var fields = CatalogListing.Find(All, "optimizers").CommonFields;

        Assert.Equal("list of fields", fields.Single(f => f.Name == "groups").Type);
        Assert.Equal(("float", "1.0", "between 0 and 1000000"), fields.Where(f => f.Name == "groups[].learning_rate_scale").Select(f => (f.Type, f.Default, f.Range)).Single());
        Assert.Null(fields.Single(f => f.Name == "groups[].match").Default);
    }

    [Fact]
    public void The_fields_of_the_spec_are_listed_with_their_paths_and_all_are_described()
    {
        var fields = CatalogListing.FieldsOf(All, typeof(TrainingSpec));

        Assert.Contains(new FieldListing("training.workers", "int", "2", "between 1 and 100000", "Worker actors"), fields);
        Assert.Equal("int or auto", fields.Single(f => f.Name == "training.gradient_shards").Type);
        Assert.Equal("auto", fields.Single(f => f.Name == "training.gradient_shards").Default);
        Assert.Equal(("data set", "digits"), (fields.Single(f => f.Name == "data").Type, fields.Single(f => f.Name == "data").Default));
        Assert.Contains(fields, f => f.Name == "data.validation_fraction");
        Assert.Contains(fields, f => f.Name == "stop.patience.min_delta");
        Assert.All(fields, f => Assert.False(string.IsNullOrEmpty(f.Description), f.Name));
    }
}
